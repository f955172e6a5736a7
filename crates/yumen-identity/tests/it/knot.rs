//! The name server.

use std::net::SocketAddr;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use yumen_identity::dns::{Tsig, TsigAlgorithm};

use crate::process::{Process, on_free_port, write};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A running Knot with the zones `example.test` and `delegated.test`, which the key may change. Every name leads to this
/// machine. `_acme-challenge.alias.example.test` is an alias for `alias.delegated.test`, and `_acme-challenge.near` one for
/// `proof.other`, both in `example.test`: only within a zone does a name server follow aliases for the CA, which asks it as
/// if it were a resolver.
pub(crate) struct Knot {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Knot {
    pub(crate) fn start() -> Self {
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
        let secret = STANDARD.encode(SECRET);
        let config = format!(
            "server:\n    rundir: {path}\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n    storage: {path}\n    journal-db-max-size: 8M\n    kasp-db-max-size: 8M\n    timer-db-max-size: 8M\n    catalog-db-max-size: 8M\n\
             key:\n  - id: acme\n    algorithm: hmac-sha256\n    secret: {secret}\n\
             acl:\n  - id: update\n    key: acme\n    action: update\n\
             template:\n  - id: default\n    storage: {path}\n    acl: update\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n\
             zone:\n  - domain: example.test\n    file: example.test.zone\n  - domain: delegated.test\n    file: delegated.test.zone\n"
        );
        let config = write(folder.path(), "knot.conf", &config);
        let mut command = Command::new("/usr/sbin/knotd");
        let process = Process::start(command.arg("-c").arg(config), folder.path().join("log"), "server started")?;
        Some(Self { address: ([127, 0, 0, 1], port).into(), _process: process, _folder: folder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn key() -> Tsig {
        Tsig { name: "acme".into(), algorithm: TsigAlgorithm::HmacSha256, secret: SECRET.to_vec() }
    }

    /// The texts at a name, as `dig` sees them.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let port = self.address.port().to_string();
        let words = ["@127.0.0.1", "-p", &port, "+short", "+tcp", name, "TXT"];
        let output = Command::new("dig").args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_matches('"').to_owned()).collect()
    }
}
