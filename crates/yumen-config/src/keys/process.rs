//! The top level and what concerns the process.

use super::cloud::{
    ACCELERATOR, ACCOUNT, AUTHORITY, DNS_PROVIDER, DYNAMIC_DNS, LOG_OUTPUT, METRIC_OUTPUT, NAT_GATEWAY, OBTAINED,
    REGISTRATION,
};
use super::middleware::MIDDLEWARE;
use super::proxy::{LISTENER, ROUTE, UPSTREAM};
use super::{Kind, Table, key};

pub(crate) static ROOT: Table = Table {
    name: "file",
    doc: "The top level of a configuration file.",
    keys: &[
        key(
            "include",
            Kind::List(&Kind::Path),
            "",
            "More files to read, relative to this one; `*` and `?` in the last part.",
        ),
        key("listeners", Kind::Map(&Kind::Section(&LISTENER)), "", "Where clients connect, by name."),
        key(
            "routes",
            Kind::Map(&Kind::Section(&ROUTE)),
            "",
            "Which requests go where, by name; the most specific wins, and their order has no meaning but among `regex` paths.",
        ),
        key(
            "middlewares",
            Kind::Map(&Kind::Section(&MIDDLEWARE)),
            "",
            "Steps on the way of a request that routes use by name.",
        ),
        key("upstreams", Kind::Map(&Kind::Section(&UPSTREAM)), "", "Sets of endpoints, by name."),
        key("runtime", Kind::Section(&RUNTIME), "", "Workers and draining."),
        key("admin", Kind::OrOff(&Kind::Section(&ADMIN)), "on", "The admin endpoint: metrics, status, reload."),
        key("log", Kind::Section(&LOG), "", "The process log and the access log."),
        key("state_dir", Kind::Path, "", "Where the last good configuration is kept."),
        key(
            "certificates",
            Kind::Map(&Kind::Section(&OBTAINED)),
            "",
            "Certificates that are obtained and renewed, by name.",
        ),
        key("authorities", Kind::Map(&Kind::Section(&AUTHORITY)), "", "CAs that sign them, by name."),
        key("dns_providers", Kind::Map(&Kind::Section(&DNS_PROVIDER)), "", "Who edits DNS for `dns-01`, by name."),
        key("alibaba", Kind::Map(&Kind::Section(&ACCOUNT)), "", "Accounts of Alibaba Cloud, by name."),
        key(
            "registrations",
            Kind::Map(&Kind::Section(&REGISTRATION)),
            "",
            "This machine as a server behind load balancers, by name.",
        ),
        key("dynamic_dns", Kind::Map(&Kind::Section(&DYNAMIC_DNS)), "", "Names kept at the addresses of this machine."),
        key(
            "log_outputs",
            Kind::Map(&Kind::Section(&LOG_OUTPUT)),
            "",
            "Services that get the access log too, by name.",
        ),
        key(
            "metric_outputs",
            Kind::Map(&Kind::Section(&METRIC_OUTPUT)),
            "",
            "Receivers that get the metrics too, by name.",
        ),
        key(
            "accelerators",
            Kind::Map(&Kind::Section(&ACCELERATOR)),
            "",
            "Accelerators of Global Accelerator in front of the gateway, by name; their listeners become listeners here.",
        ),
        key(
            "nat_gateways",
            Kind::Map(&Kind::Section(&NAT_GATEWAY)),
            "",
            "NAT gateways that are looked after, by name.",
        ),
    ],
};

pub(crate) static RUNTIME: Table = Table {
    name: "runtime",
    doc: "Workers and draining.",
    keys: &[
        key(
            "workers",
            Kind::Either(&[Kind::OneOf(&["auto"]), Kind::Number]),
            "auto",
            "Threads that serve connections; `auto`: one for each CPU.",
        ),
        key("drain_timeout", Kind::Duration, "30s", "How long connections may take to finish when the process stops."),
    ],
};

pub(crate) static ADMIN: Table = Table {
    name: "admin",
    doc: "The admin endpoint; `admin: off` turns it off.",
    keys: &[
        key("listen", Kind::Text, "127.0.0.1:9900", "A loopback address, `unix:PATH` or `pipe:NAME`."),
        key("token_file", Kind::Path, "", "The file with the token that writes need; only its owner may read it."),
    ],
};

pub(crate) static LOG: Table = Table {
    name: "log",
    doc: "The process log and the access log.",
    keys: &[
        key(
            "level",
            Kind::OneOf(&["error", "warn", "info", "debug", "trace"]),
            "info",
            "The least severe lines that are written.",
        ),
        key("access", Kind::OrOff(&Kind::Section(&ACCESS_LOG)), "on", "One line for each request."),
    ],
};

pub(crate) static ACCESS_LOG: Table = Table {
    name: "log access",
    doc: "The access log.",
    keys: &[
        key(
            "output",
            Kind::Either(&[Kind::OneOf(&["stdout", "off"]), Kind::Path]),
            "stdout",
            "`stdout`, `off` or the path of a file.",
        ),
        key(
            "format",
            Kind::OneOf(&["auto", "json", "text"]),
            "auto",
            "`auto` is text on a terminal and JSON elsewhere.",
        ),
        key("rotate", Kind::Section(&ROTATE), "", "When a file is rotated."),
    ],
};

pub(crate) static ROTATE: Table = Table {
    name: "log access rotate",
    doc: "Rotation of the access log's file.",
    keys: &[
        key("size", Kind::Size, "100MiB", "Size after which a new file is begun."),
        key("age", Kind::Duration, "24h", "Age after which a new file is begun."),
        key("keep", Kind::Number, "7", "Old files that are kept."),
    ],
};
