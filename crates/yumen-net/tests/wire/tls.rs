use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use yumen_net::tls::{
    self, Certificate, CertificateFiles, CertificateSet, ClientTls, ClientTlsOptions, Roots, ServerTls,
    ServerTlsOptions, TlsError, TlsFacts,
};
use yumen_net::transport::{IdleState, Transport};

use crate::pair;

struct Authority {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        Self::named("authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { dir: tempfile::tempdir().unwrap(), issuer };
        std::fs::write(authority.path("ca.pem"), authority.issuer.pem()).unwrap();
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn issue(&self, file: &str, names: &[&str]) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let files =
            CertificateFiles { chain: self.path(&format!("{file}.pem")), key: self.path(&format!("{file}.key")) };
        std::fs::write(&files.chain, cert.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn client(&self) -> ClientTls {
        let options = ClientTlsOptions { roots: Roots::File(self.path("ca.pem")), ..ClientTlsOptions::default() };
        ClientTls::build(&options).unwrap().0
    }
}

fn set(files: &[&CertificateFiles]) -> CertificateSet {
    CertificateSet { certificates: files.iter().map(|f| Certificate::load(f).unwrap().0).collect(), default: Some(0) }
}

fn server(files: &[&CertificateFiles]) -> ServerTls {
    ServerTls::build(&ServerTlsOptions::default(), set(files)).unwrap()
}

type Shaken = Result<(Transport, TlsFacts), TlsError>;

/// One handshake, both views of it.
async fn shake(server: &ServerTls, client: &ClientTls, name: &str) -> (Shaken, Shaken) {
    let (near, far) = pair().await;
    tokio::join!(tls::connect(client, name, near), tls::handshake_server(server, far))
}

/// A handshake that must succeed, with a byte from server to client so that the tickets arrive.
async fn talk(server: &ServerTls, client: &ClientTls, name: &str) -> (TlsFacts, TlsFacts) {
    let (near, far) = shake(server, client, name).await;
    let ((mut near, seen), (mut far, facts)) = (near.unwrap(), far.unwrap());
    far.write_all(b"x").await.unwrap();
    far.flush().await.unwrap();
    assert_eq!(near.read_u8().await.unwrap(), b'x');
    assert_eq!(near.check_idle(), IdleState::Quiet);
    (seen, facts)
}

#[tokio::test]
async fn names_choose_the_certificate() {
    let ca = Authority::new();
    let server = server(&[&ca.issue("default", &["one.example"]), &ca.issue("wild", &["*.two.example"])]);
    let client = ca.client();
    let (seen, facts) = talk(&server, &client, "one.example").await;
    assert_eq!((facts.sni.as_deref(), facts.version, facts.resumed), (Some("one.example"), "TLSv1.3", false));
    assert!(facts.cipher.starts_with("TLS_"), "{}", facts.cipher);
    assert_eq!(seen.cipher, facts.cipher);
    talk(&server, &client, "a.two.example").await;
    for wrong in ["a.b.two.example", "two.example", "three.example"] {
        let error = shake(&server, &client, wrong).await.0.unwrap_err().to_string();
        assert!(error.contains(wrong) && error.contains("one.example"), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused_with_a_remedy() {
    let ours = Authority::new();
    for theirs in [Authority::named("stranger"), Authority::new()] {
        let server = server(&[&theirs.issue("x", &["one.example"])]);
        let error = shake(&server, &ours.client(), "one.example").await.0.unwrap_err().to_string();
        assert!(error.contains("ca_file"), "{error}");
    }
}

#[tokio::test]
async fn a_session_is_resumed_across_a_swap() {
    let ca = Authority::new();
    let (old, new) = (ca.issue("old", &["one.example"]), ca.issue("new", &["one.example", "two.example"]));
    let (server, client) = (server(&[&old]), ca.client());
    talk(&server, &client, "one.example").await;
    assert!(shake(&server, &client, "two.example").await.0.is_err());
    server.swap(set(&[&new])).unwrap();
    talk(&server, &client, "two.example").await;
    assert!(talk(&server, &client, "one.example").await.1.resumed);
}

fn refusal(chain: &Path, key: &Path) -> String {
    Certificate::load(&CertificateFiles { chain: chain.to_owned(), key: key.to_owned() }).unwrap_err().to_string()
}

#[test]
fn unusable_files_are_named() {
    let ca = Authority::new();
    let (one, two) = (ca.issue("one", &["one.example"]), ca.issue("two", &["two.example"]));
    let wrong = refusal(&one.chain, &two.key);
    assert!(wrong.contains("two.key") && wrong.contains("one.pem") && wrong.contains("does not belong"), "{wrong}");
    let missing = refusal(&ca.path("none.pem"), &one.key);
    assert!(missing.contains("none.pem") && missing.contains("cannot be read"), "{missing}");
    let swapped = refusal(&one.key, &one.chain);
    assert!(swapped.contains("no certificate in it"), "{swapped}");
}
