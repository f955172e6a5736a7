//! Outputs of the access log.

use crate::keys::{Kind, Table, key};

pub(crate) static LOG_OUTPUT: Table = Table {
    name: "log_output",
    doc: "A service that gets the lines of the access log, beside the log's own output and even when that is off.",
    keys: &[key("sls", Kind::Section(&SLS), "required", "A store of the log service (SLS) of Alibaba Cloud.")],
};

pub(crate) static SLS: Table = Table {
    name: "log_output sls",
    doc: "A store of the log service (SLS). The fields of a line become the fields of a log.",
    keys: &[
        key("account", Kind::Text, "", "The account of Alibaba Cloud whose project it is."),
        key("project", Kind::Text, "required", "The project, in the region of the account."),
        key("store", Kind::Text, "required", "The store."),
        key("topic", Kind::Text, "", "The topic of the logs."),
        key("source", Kind::Text, "", "Which machine they are of."),
        key("batch", Kind::Section(&LOG_BATCH), "", "When lines are sent."),
        key("spill", Kind::OrOff(&Kind::Section(&LOG_SPILL)), "on", "Where batches wait while the service is away."),
    ],
};

pub(crate) static LOG_BATCH: Table = Table {
    name: "log_output sls batch",
    doc: "When lines are sent: whichever comes first.",
    keys: &[
        key("size", Kind::Size, "1MiB", "After so many bytes of lines; 3 MiB at most."),
        key("time", Kind::Duration, "2s", "After so long."),
    ],
};

pub(crate) static LOG_SPILL: Table = Table {
    name: "log_output sls spill",
    doc: "Batches on the disk, in private files.",
    keys: &[
        key("dir", Kind::Path, "", "The folder; without it one below `state_dir`."),
        key("max", Kind::Size, "256MiB", "How much may wait; the oldest is dropped for the newest."),
    ],
};
