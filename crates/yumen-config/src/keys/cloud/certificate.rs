//! Certificates that are obtained, authorities and DNS providers.

use crate::keys::{Kind, Table, key};

pub(crate) static OBTAINED: Table = Table {
    name: "certificate",
    doc: "A certificate that the gateway obtains by ACME and renews itself. A listener serves it by `{name: NAME}` under \
          `tls.certificates`.",
    keys: &[
        key(
            "names",
            Kind::List(&Kind::Host),
            "required",
            "Host names; `*.example.com` for all names one label below, which needs `dns-01`.",
        ),
        key(
            "authority",
            Kind::Text,
            "",
            "Who signs it: one of `authorities`. Without it the one called `default`, or the only one.",
        ),
        key(
            "challenges",
            Kind::List(&Kind::OneOf(&["http-01", "tls-alpn-01", "dns-01"])),
            "",
            "How the names are proved, the first that fits; without it `dns-01` where there is a `dns_provider`, else \
             `http-01` and then `tls-alpn-01`.",
        ),
        key(
            "dns_provider",
            Kind::List(&Kind::Text),
            "",
            "Who edits DNS for `dns-01`: one of `dns_providers`, or several for zones at several places.",
        ),
        key("key", Kind::OneOf(&["p256", "p384", "rsa2048"]), "p256", "The kind of the key."),
    ],
};

pub(crate) static AUTHORITY: Table = Table {
    name: "authority",
    doc: "A CA that speaks ACME (RFC 8555). Naming one means consent to its terms of service.",
    keys: &[
        key(
            "directory",
            Kind::Either(&[Kind::OneOf(&["letsencrypt", "letsencrypt-staging", "zerossl", "google"]), Kind::Text]),
            "required",
            "The URL of its directory, or a word for a well-known one.",
        ),
        key("contact", Kind::List(&Kind::Text), "", "Addresses of mail that it may write to."),
        key(
            "external_account",
            Kind::Section(&EXTERNAL_ACCOUNT),
            "",
            "The account it knows from elsewhere, where it wants one (ZeroSSL, Google).",
        ),
        key("roots", Kind::Path, "", "Authorities in PEM that its own server is trusted by, instead of the system's."),
        key("preferred_chain", Kind::Text, "", "The common name of the root that the chain should lead to."),
        key("profile", Kind::Text, "", "The profile of certificates, for CAs that have some."),
        key(
            "store",
            Kind::Path,
            "",
            "The folder of its account and its certificates, `identity` in the state directory by default. Gateways that \
             share it share certificates and order each one once.",
        ),
    ],
};

pub(crate) static EXTERNAL_ACCOUNT: Table = Table {
    name: "authority external_account",
    doc: "An account that a CA knows from elsewhere.",
    keys: &[
        key("id", Kind::Text, "required", "The id of its key."),
        key("secret", Kind::Secret, "required", "The key itself in base64url, as the CA gives it out."),
    ],
};

pub(crate) static DNS_PROVIDER: Table = Table {
    name: "dns provider",
    doc: "Who adds and removes TXT records: one of `alidns`, `rfc2136` and `exec`. An alias at `_acme-challenge.NAME` is \
          followed, and the provider is that of the zone in which it ends.",
    keys: &[
        key("alidns", Kind::Section(&ALIDNS), "", "AliDNS of Alibaba Cloud."),
        key("rfc2136", Kind::Section(&RFC2136), "", "Dynamic updates of a name server."),
        key("exec", Kind::Section(&EXEC), "", "A program of yours."),
        key("names", Kind::List(&Kind::Host), "", "The names it is for, each with all below it; without it all names."),
        key("propagation", Kind::Section(&PROPAGATION), "", "How a new record is waited for."),
    ],
};

pub(crate) static ALIDNS: Table = Table {
    name: "dns provider alidns",
    doc: "AliDNS of Alibaba Cloud.",
    keys: &[
        key("account", Kind::Text, "", "Whose zones; without it the account called `default`, or the only one."),
        key("zone", Kind::Host, "", "The zone, for keys that may not list zones; without it the longest that fits."),
    ],
};

pub(crate) static RFC2136: Table = Table {
    name: "dns provider rfc2136",
    doc: "A name server that takes dynamic updates (RFC 2136), over TCP.",
    keys: &[
        key("server", Kind::Address, "required", "Its address; port 53 where none is given."),
        key("zone", Kind::Host, "", "The zone; without it the server is asked which one a name lies in."),
        key("key", Kind::Section(&TSIG), "", "What updates are signed with (TSIG, RFC 8945)."),
    ],
};

pub(crate) static TSIG: Table = Table {
    name: "dns provider rfc2136 key",
    doc: "A key that the name server knows, too.",
    keys: &[
        key("name", Kind::Text, "required", "Its name."),
        key("algorithm", Kind::OneOf(&["hmac-sha256", "hmac-sha384", "hmac-sha512"]), "hmac-sha256", "How it signs."),
        key("secret", Kind::Secret, "required", "The secret in base64."),
    ],
};

pub(crate) static EXEC: Table = Table {
    name: "dns provider exec",
    doc: "A program that is called without a shell as `PROGRAM ARGUMENTS present|cleanup NAME VALUE`; it ends with status 0 \
          when the record is there, or gone.",
    keys: &[
        key("program", Kind::Path, "required", "The program."),
        key("arguments", Kind::List(&Kind::Text), "", "What stands before the arguments of the call."),
        key("timeout", Kind::Duration, "2m", "How long it may run."),
    ],
};

pub(crate) static PROPAGATION: Table = Table {
    name: "dns provider propagation",
    doc: "How a new record is waited for: until all name servers of the zone tell it, and a moment longer.",
    keys: &[
        key(
            "resolvers",
            Kind::List(&Kind::Address),
            "",
            "Name servers to look names up with, instead of the system's.",
        ),
        key(
            "servers",
            Kind::List(&Kind::Address),
            "",
            "Name servers that must tell the record, instead of the zone's.",
        ),
        key(
            "delay",
            Kind::Duration,
            "",
            "Wait for this long, and ask nobody: for networks without DNS to the outside.",
        ),
        key("timeout", Kind::Duration, "150s", "How long the name servers may take."),
        key(
            "settle",
            Kind::OrOff(&Kind::Duration),
            "5s",
            "How long to wait when all have told it: a server may be many.",
        ),
    ],
};
