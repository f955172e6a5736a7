//! All of it together, and clients that look at what is served.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use yumen_test::{Knot, PATIENCE, Pebble, PebbleSetup};

use crate::gateway::{PROGRAM, until};
use crate::site::Site;

/// A directory where nobody answers.
const NOWHERE: &str = "https://127.0.0.1:1/dir";

/// A gateway with two listeners, `web` and `tls`, a CA and a name server for `example.test`.
pub(crate) struct Stage {
    pub(crate) site: Site,
    pub(crate) pebble: Pebble,
    pub(crate) knot: Knot,
    sections: String,
    /// More keys of the authority.
    pub(crate) more: String,
}

impl Stage {
    /// `sections` are those of the certificates; `{dns}` in it is the address of the name server, and the authority is
    /// called `ca`. The gateway runs already when the CA starts, so it has met one that is away.
    pub(crate) fn start(served: &[&str], sections: &str, change: impl FnOnce(&mut PebbleSetup)) -> Self {
        let knot = Knot::start();
        let served: Vec<String> = served.iter().map(|name| format!("{{name: {name}}}")).collect();
        let sections = format!(
            "listeners:\n  web: {{bind: \"127.0.0.1:0\"}}\n  \
             tls: {{bind: \"127.0.0.1:0\", tls: {{certificates: [{}]}}}}\n\
             routes: {{all: {{middlewares: [{{respond: {{body: hello}}}}]}}}}\n\
             {}",
            served.join(", "),
            sections.replace("{dns}", &knot.address().to_string()),
        );
        let site = Site::start(&config(&sections, NOWHERE, ""));
        let mut setup = PebbleSetup {
            dns: knot.address().to_string(),
            http: site.addr("web").port(),
            tls: site.addr("tls").port(),
            ..PebbleSetup::default()
        };
        change(&mut setup);
        let pebble = Pebble::start(setup);
        std::fs::write(site.folder().join("roots.pem"), pebble.roots()).unwrap();
        Self { site, pebble, knot, sections, more: String::new() }
    }

    /// The configuration with the CA that runs.
    pub(crate) fn config(&self) -> String {
        config(&self.sections, &self.pebble.directory(), &format!(", roots: roots.pem{}", self.more))
    }

    /// The configuration with a CA that is away.
    pub(crate) fn config_without_ca(&self) -> String {
        config(&self.sections, NOWHERE, "")
    }

    /// Names the CA in the configuration.
    pub(crate) fn go(&self) {
        self.site.change(&self.config());
    }

    pub(crate) fn duty(&self, name: &str) -> Value {
        duty(&self.site, name)
    }

    /// Waits until a certificate stands.
    pub(crate) fn wait_well(&self, name: &str) -> Value {
        until("the certificate", || Some(self.duty(name)).filter(|duty| duty["state"] == "well"))
    }

    /// A client that trusts the CA.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pebble.root(0).as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(yumen_net::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut client = builder.with_root_certificates(roots).with_no_client_auth();
        client.resumption = rustls::client::Resumption::disabled();
        Arc::new(client)
    }
}

/// The one of this name among the duties of a gateway; `null` in the moment before it begins.
pub(crate) fn duty(site: &Site, name: &str) -> Value {
    let status = site.status();
    let mut duties = status["duties"].as_array().cloned().unwrap_or_default().into_iter();
    duties.find(|duty| duty["kind"] == "certificate" && duty["name"] == name).unwrap_or_default()
}

/// Runs `yumen cert` with the configuration of a gateway.
pub(crate) fn cert(site: &Site, words: &[&str]) -> Output {
    Command::new(PROGRAM).arg("cert").args(words).arg("-c").arg(site.file()).output().unwrap()
}

fn config(sections: &str, directory: &str, more: &str) -> String {
    format!("{sections}authorities: {{ca: {{directory: \"{directory}\", contact: hostmaster@example.test{more}}}}}\n")
}

/// One handshake and one request; the certificate that was shown, and the answer.
pub(crate) fn ask(addr: SocketAddr, name: &str, client: &Arc<ClientConfig>) -> std::io::Result<(Vec<u8>, String)> {
    let mut tcp = TcpStream::connect(addr)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let shown = tls.peer_certificates().and_then(|all| all.first()).map(|first| first.to_vec());
    Ok((shown.unwrap_or_default(), answer))
}
