//! Outputs of metrics.

use crate::keys::{Kind, Table, key};

pub(crate) static METRIC_OUTPUT: Table = Table {
    name: "metric_output",
    doc: "A receiver that gets the metrics, beside the page that is scraped.",
    keys: &[key(
        "remote_write",
        Kind::Section(&REMOTE_WRITE),
        "required",
        "Prometheus remote write, as ARMS takes it.",
    )],
};

pub(crate) static REMOTE_WRITE: Table = Table {
    name: "metric_output remote_write",
    doc: "A receiver of Prometheus remote write 1.0.",
    keys: &[
        key("url", Kind::Text, "required", "Where it listens; that of ARMS ends in `/api/v3/write`."),
        key("interval", Kind::Duration, "15s", "How often metrics are sent."),
        key("username", Kind::Secret, "", "A name, with `password`."),
        key("password", Kind::Secret, "", "A password, with `username`."),
        key(
            "account",
            Kind::Text,
            "",
            "An account of Alibaba Cloud, whose key is name and password, as ARMS wants it.",
        ),
        key("headers", Kind::Map(&Kind::Secret), "", "More fields of the requests."),
        key("labels", Kind::Map(&Kind::Text), "", "Labels of every series, such as `instance: edge-1`."),
    ],
};
