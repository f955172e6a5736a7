//! Where metrics go beside the page that is scraped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Account;
use crate::config::Secret;

/// A receiver of Prometheus remote write, such as ARMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricOutput {
    /// Where it listens: http or https, host, port and path.
    pub url: String,
    /// How often metrics are sent; default 15 s.
    pub interval: Duration,
    /// Who sends them.
    pub login: MetricLogin,
    /// More fields of the requests.
    pub headers: BTreeMap<String, Secret>,
    /// Labels of every series.
    pub labels: BTreeMap<String, String>,
}

/// How a receiver knows who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricLogin {
    /// Not at all, or by a header.
    None,
    /// By name and password.
    Basic {
        /// The name.
        user: Secret,
        /// The password.
        password: Secret,
    },
    /// By the key of an account of Alibaba Cloud, as name and password.
    Account(Arc<Account>),
}
