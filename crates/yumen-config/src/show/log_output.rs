//! Outputs of the access log, written out again.

use serde_json::{Value, json};

use super::{object, off, option, path, time};
use crate::config::{SlsOutput, Spill};

pub(super) fn log_output(output: &SlsOutput) -> Value {
    let SlsOutput { account, project, store, topic, source, batch_size, batch_time, spill } = output;
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let spill = match spill {
        None => off(),
        Some(Spill { dir, max }) => object([("dir", option(dir.as_deref(), path)), ("max", json!(format!("{max}B")))]),
    };
    let sls = object([
        ("account", json!(account.name.as_str())),
        ("project", json!(project)),
        ("store", json!(store)),
        ("topic", text(topic)),
        ("source", text(source)),
        ("batch", object([("size", json!(format!("{batch_size}B"))), ("time", time(*batch_time))])),
        ("spill", spill),
    ]);
    json!({"sls": sls})
}
