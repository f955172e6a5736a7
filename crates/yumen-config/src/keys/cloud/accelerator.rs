//! Accelerators of Global Accelerator.

use crate::keys::{Kind, LISTENER_TEMPLATE, Table, key};

pub(crate) static ACCELERATOR: Table = Table {
    name: "accelerator",
    doc: "An accelerator of Global Accelerator in front of the gateway. Its listeners become listeners here, made of \
          templates; a route that names the accelerator under `listeners` means all of them. At least one of `id`, `title` \
          and `tags` says which accelerator it is.",
    keys: &[
        super::ACCOUNT_NAME,
        key("id", Kind::Text, "", "Its id, such as `ga-bp1…`."),
        key("title", Kind::Text, "", "Its name in the cloud."),
        key("tags", Kind::Map(&Kind::Text), "", "Tags that it has, all of them."),
        key(
            "endpoint",
            Kind::List(&Kind::Text),
            "",
            "How its endpoint groups name this machine: an address, a host or an id. Listeners without such an endpoint are \
             left out.",
        ),
        key("interval", Kind::Duration, "60s", "How often it is looked at, a tenth more or less."),
        key("bind", Kind::List(&Kind::Text), "::", "Addresses without port; `::` is every address, IPv6 and IPv4."),
        key("max_ports", Kind::Number, "64", "The most ports of one of its listeners; one with more is not served."),
        key("template", Kind::Section(&TEMPLATE), "required", "What listeners are made of."),
        key(
            "by_source",
            Kind::Map(&Kind::Text),
            "",
            "For listeners with client affinity: upstreams of the templates, each with the one that stands in for it, which \
             has `balance: ip_hash`.",
        ),
    ],
};

pub(crate) static TEMPLATE: Table = Table {
    name: "accelerator template",
    doc: "Listeners by what the accelerator speaks to this machine; at least one.",
    keys: &[
        key("tcp", Kind::Section(&LISTENER_TEMPLATE), "", "For TCP."),
        key("udp", Kind::Section(&LISTENER_TEMPLATE), "", "For UDP."),
        key("http", Kind::Section(&LISTENER_TEMPLATE), "", "For HTTP."),
        key("https", Kind::Section(&LISTENER_TEMPLATE), "", "For HTTP over TLS; `tls` is needed."),
    ],
};
