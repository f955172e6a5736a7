//! The name server.

use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::server::{Server, on_free_port, write};

/// `0123456789abcdef0123456789abcdef`.
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A running Knot with the zones `example.test` and `delegated.test`, which the key may change. Every name leads to this
/// machine. `_acme-challenge.alias.example.test` is an alias for `alias.delegated.test`, and `_acme-challenge.near` one for
/// `proof.other`, both in `example.test`: only within a zone does a name server follow aliases for the CA, which asks it as
/// if it were a resolver.
pub struct Knot {
    address: SocketAddr,
    _process: Server,
    _folder: TempDir,
}

impl Knot {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        on_free_port("knotd", Self::start_at)
    }

    fn start_at(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let head =
            "$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\n@ A 127.0.0.1\n* A 127.0.0.1\nns A 127.0.0.1\n";
        let alias = format!(
            "{head}_acme-challenge.alias CNAME alias.delegated.test.\n_acme-challenge.near CNAME proof.other\n"
        );
        write(folder.path(), "example.test.zone", &alias);
        write(folder.path(), "delegated.test.zone", head);
        let config = format!(
            "server:\n    rundir: {path}\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n    storage: {path}\n    journal-db-max-size: 8M\n    kasp-db-max-size: 8M\n    timer-db-max-size: 8M\n    catalog-db-max-size: 8M\n\
             key:\n  - id: acme\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
             acl:\n  - id: update\n    key: acme\n    action: update\n\
             template:\n  - id: default\n    storage: {path}\n    acl: update\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n\
             zone:\n  - domain: example.test\n    file: example.test.zone\n  - domain: delegated.test\n    file: delegated.test.zone\n"
        );
        let config = write(folder.path(), "knot.conf", &config);
        let mut command = Command::new("/usr/sbin/knotd");
        let process = Server::start(command.arg("-c").arg(config), folder.path().join("log"), "server started")?;
        Some(Self { address: ([127, 0, 0, 1], port).into(), _process: process, _folder: folder })
    }

    /// Where it answers, by UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of the key (HMAC with SHA-256), and its secret in base64.
    #[must_use]
    pub fn key() -> (&'static str, &'static str) {
        ("acme", SECRET)
    }

    /// The texts at a name, as `dig` sees them.
    ///
    /// # Panics
    /// When `dig` fails.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        let port = self.address.port().to_string();
        let words = ["@127.0.0.1", "-p", &port, "+short", "+tcp", name, "TXT"];
        let output = Command::new("dig").args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_matches('"').to_owned()).collect()
    }
}
