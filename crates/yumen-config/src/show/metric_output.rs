//! Outputs of metrics, written out again.

use serde_json::{Value, json};

use super::{cloud, object, time};
use crate::config::{MetricLogin, MetricOutput};

pub(super) fn metric_output(output: &MetricOutput) -> Value {
    let MetricOutput { url, interval, login, headers, labels } = output;
    let (user, password, account) = match login {
        MetricLogin::None => (Value::Null, Value::Null, Value::Null),
        MetricLogin::Basic { user, password } => (cloud::secret(user), cloud::secret(password), Value::Null),
        MetricLogin::Account(account) => (Value::Null, Value::Null, json!(account.name.as_str())),
    };
    let headers = headers.iter().map(|(name, value)| (name.clone(), cloud::secret(value)));
    let own = object([
        ("url", json!(url)),
        ("interval", time(*interval)),
        ("username", user),
        ("password", password),
        ("account", account),
        ("headers", Value::Object(headers.collect())),
        ("labels", json!(labels)),
    ]);
    json!({"remote_write": own})
}
