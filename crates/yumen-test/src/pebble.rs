//! The CA.

use std::process::Command;

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use crate::server::{Server, free_port, on_free_port, write};

/// A running Pebble that forgets everything when it ends.
pub struct Pebble {
    process: Server,
    port: u16,
    management: u16,
    setup: PebbleSetup,
    certificate: String,
    _folder: TempDir,
}

/// How it behaves.
#[derive(Clone, Default)]
pub struct PebbleSetup {
    /// Where it finds names.
    pub dns: String,
    /// The port for HTTP-01.
    pub http: u16,
    /// The port for TLS-ALPN-01.
    pub tls: u16,
    /// How many good nonces of a hundred are refused.
    pub refused_nonces: u32,
    /// How many valid authorizations of a hundred are used again.
    pub reused_authorizations: u32,
    /// How many seconds a certificate lives; 0 for its usual years.
    pub life: u64,
    /// How many other roots there are.
    pub other_roots: u32,
    /// The id and the key of accounts that are known from elsewhere; without them none are wanted.
    pub external: Option<(String, String)>,
}

impl Pebble {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(setup: PebbleSetup) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let pair = (certificate, key.serialize_pem());
        on_free_port("pebble", |port| Self::start_at(port, setup.clone(), &pair))
    }

    fn start_at(port: u16, setup: PebbleSetup, (certificate, key): &(String, String)) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let management = free_port();
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": write(folder.path(), "cert.pem", certificate),
            "privateKey": write(folder.path(), "key.pem", key),
            "httpPort": setup.http,
            "tlsPort": setup.tls,
            "certificateValidityPeriod": setup.life,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": setup.external.is_some(),
            "externalAccountMACKeys": setup.external.iter().cloned().collect::<std::collections::HashMap<_, _>>(),
        }});
        let config = write(folder.path(), "config.json", &config.to_string());
        let mut command = Command::new("pebble");
        command.arg("-config").arg(config).args(["-strict", "-dnsserver", &setup.dns]).env("PEBBLE_VA_NOSLEEP", "1");
        command
            .env("PEBBLE_WFE_NONCEREJECT", setup.refused_nonces.to_string())
            .env("PEBBLE_AUTHZREUSE", setup.reused_authorizations.to_string());
        command.env("PEBBLE_ALTERNATE_ROOTS", setup.other_roots.to_string());
        let process = Server::start(&mut command, folder.path().join("log"), "ACME directory available at")?;
        let certificate = certificate.clone();
        Some(Self { process, port, management, setup, certificate, _folder: folder })
    }

    /// Ends it and starts one that knows nothing, at the same place.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn forget(self, key: &str) -> Self {
        let Self { process, port, setup, certificate, .. } = self;
        drop(process);
        Self::start_at(port, setup, &(certificate, key.to_owned())).expect("pebble starts again")
    }

    /// The URL of its directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The certificate of its own server, in PEM.
    #[must_use]
    pub fn roots(&self) -> Vec<u8> {
        self.certificate.clone().into_bytes()
    }

    /// The key of its own server, in PEM.
    ///
    /// # Panics
    /// When its file is gone.
    #[must_use]
    pub fn key(&self) -> String {
        std::fs::read_to_string(self._folder.path().join("key.pem")).unwrap()
    }

    /// How many orders it got.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.process.log().matches("Added order").count()
    }

    /// A root of the CA, as its management interface gives it.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn root(&self, number: u32) -> String {
        let url = format!("https://127.0.0.1:{}/roots/{number}", self.management);
        let output = Command::new("curl").args(["-ksSf", &url]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}
