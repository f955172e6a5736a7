//! The status of certificates in handshakes, with openssl as the responder and as the client.
// Unix: the authority is the openssl of a Linux machine, and its responder is asked at an address of this host.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::gateway::{Gateway, origin, until, yumen};

/// An authority with a certificate for `good.test` and a responder.
struct Authority {
    folder: tempfile::TempDir,
    responder: SocketAddr,
    child: Option<Child>,
}

impl Authority {
    fn start() -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap(), responder: free_everywhere(), child: None };
        let access = format!("authorityInfoAccess=OCSP;URI:http://{}/", authority.responder);
        let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
        authority
            .openssl(&format!("{key} -subj /CN=ca -keyout ca.key -out ca.pem"), &["basicConstraints=critical,CA:TRUE"]);
        for (name, serial, more) in
            [("good", "0x10", "keyUsage=digitalSignature"), ("strict", "0x11", "tlsfeature=status_request")]
        {
            let words = format!(
                "{key} -CA ca.pem -CAkey ca.key -set_serial {serial} -subj /CN={name} -keyout {name}.key -out {name}.pem"
            );
            let names = format!("subjectAltName=DNS:{name}.test");
            authority.openssl(&words, &["basicConstraints=critical,CA:FALSE", &names, &access, more]);
        }
        // The second one is not known to the responder yet.
        authority.write("index.txt", "V\t491231235959Z\t\t10\tunknown\t/CN=good\n");
        authority
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn openssl(&self, words: &str, extensions: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(self.path()).args(words.split(' '));
        for extension in extensions {
            openssl.args(["-addext", extension]);
        }
        let output = openssl.output().unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn serve(&mut self) {
        let port = self.responder.port().to_string();
        let mut openssl = Command::new("openssl");
        openssl.current_dir(self.path()).args(["ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem"]);
        openssl.args(["-rkey", "ca.key", "-ndays", "1", "-port", &port]);
        let log = std::fs::File::create(self.path().join("log")).unwrap();
        self.child = Some(openssl.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        // It waits for ever for a client that connects and leaves, so nobody tries whether it listens.
        until("the responder", || Some(()).filter(|()| self.read("log").contains("ACCEPT")));
    }

    fn leave(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A port that nobody has on any address: openssl listens on all of them. Systems give those below to nobody, and the
/// other tests begin at lower ones.
fn free_everywhere() -> SocketAddr {
    let first = 20_000 + u16::try_from(std::process::id() % 12_000).unwrap();
    let is_free =
        |port: &u16| TcpListener::bind(("::", *port)).is_ok() && TcpListener::bind(("0.0.0.0", *port)).is_ok();
    let port = (first..32_700).find(is_free).unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// What openssl says about the status in a handshake.
fn status(gateway: &Gateway, name: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", &gateway.listen.to_string(), "-servername", name, "-status"]);
    let output = openssl.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_good(said: &str) -> bool {
    said.contains("OCSP Response Status: successful") && said.contains("Cert Status: good")
}

fn duty(gateway: &Gateway, name: &str) -> Value {
    let file = gateway.file();
    let output = yumen(&["status", "-c", &file.to_string_lossy(), "--format", "json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let duties = status["duties"].as_array().cloned().unwrap_or_default();
    let is_it = |duty: &Value| duty["kind"] == "ocsp" && duty["name"].as_str().is_some_and(|n| n.starts_with(name));
    duties.into_iter().find(is_it).unwrap_or_default()
}

fn config(ocsp: &str) -> String {
    let site = origin("site");
    format!(
        "listeners:\n  web:\n    bind: '{{listen}}'\n    tls:\n      certificates: [{{cert: good.pem, key: good.key}}, {{cert: strict.pem, \
         key: strict.key}}]\n      ocsp: {ocsp}\nupstreams: {{site: {{endpoints: ['{site}']}}}}\nroutes: {{all: {{upstream: site}}}}\n"
    )
}

#[test]
fn clients_are_shown_what_the_authority_says_and_a_restart_has_it_without_asking() {
    let mut authority = Authority::start();
    let ca = authority.read("ca.pem");
    let (good, strict) = (authority.read("good.pem") + &ca, authority.read("strict.pem") + &ca);
    let keys = (authority.read("good.key"), authority.read("strict.key"));
    let others = [("good.pem", &*good), ("good.key", &*keys.0), ("strict.pem", &*strict), ("strict.key", &*keys.1)];
    // Handshakes wait for nobody.
    let mut gateway = Gateway::start_beside(&config("on"), &others);
    until("the responder is missed", || Some(()).filter(|()| duty(&gateway, "good.test")["state"] == "failing"));
    assert!(status(&gateway, "good.test").contains("OCSP response: no response sent"));

    authority.serve();
    until("the status is shown", || Some(()).filter(|()| is_good(&status(&gateway, "good.test"))));
    assert_eq!(duty(&gateway, "good.test")["state"], json!("well"));
    // A certificate that clients must not take without an answer is told so.
    let warned = until("the unknown one is told", || {
        Some(duty(&gateway, "strict.test")).filter(|duty| duty["text"].to_string().contains("does not know"))
    });
    assert!(warned["text"].to_string().contains("Must-Staple"), "{warned}");
    assert!(!status(&gateway, "strict.test").contains("Cert Status"));

    authority.leave();
    gateway.signal("TERM");
    gateway.run();
    until("it is shown from the disk", || Some(()).filter(|()| is_good(&status(&gateway, "good.test"))));

    gateway.write(&config("off"));
    let output = gateway.command("reload");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(status(&gateway, "good.test").contains("OCSP response: no response sent"));
    until("nobody asks any more", || Some(()).filter(|()| duty(&gateway, "good.test").is_null()));
}
