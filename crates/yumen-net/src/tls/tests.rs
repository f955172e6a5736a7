//! Tests of TLS, with certificates made on the spot and openssl as a judge.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::poll_fn;
use std::path::Path;
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::copy::{RelayCounters, RelayEnd, RelayOptions, relay};
use crate::os;
use crate::transport::{IdleState, Transport};

/// An authority, and a place for the files it issues.
struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        // Unlike the default name of a certificate, or openssl takes what it issues for self-signed.
        Self::named("authority")
    }

    fn named(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn issue(&self, file: &str, names: &[&str]) -> CertificateFiles {
        self.issue_until(file, names, (2100, 1, 1))
    }

    fn issue_until(&self, file: &str, names: &[&str], (year, month, day): (i32, u8, u8)) -> CertificateFiles {
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        let files =
            CertificateFiles { chain: self.path(&format!("{file}.pem")), key: self.path(&format!("{file}.key")) };
        std::fs::write(&files.chain, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        write_key(&files.key, &key.serialize_pem());
        files
    }

    fn load(&self, file: &str, names: &[&str]) -> Certificate {
        let (certificate, warnings) = Certificate::load(&self.issue(file, names)).unwrap();
        assert_eq!(warnings, []);
        certificate
    }

    fn client(&self) -> ClientTlsOptions {
        ClientTlsOptions { roots: Roots::File(self.path("ca.pem")), ..ClientTlsOptions::default() }
    }
}

/// A file that only its owner reads, as a temporary file is made.
fn write_key(path: &Path, text: &str) {
    let fresh = path.with_extension("new");
    os::create_private(&fresh, text.as_bytes()).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

fn set(certificates: Vec<Certificate>, default: Option<usize>) -> CertificateSet {
    CertificateSet { certificates: certificates.into_iter().map(Served::from).collect(), default }
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (a, b) = tokio::join!(TcpStream::connect(addr), listener.accept());
    (a.unwrap(), b.unwrap().0)
}

type Handshake = Result<(Transport, TlsFacts), TlsError>;

async fn handshake(server: &ServerTls, client: &ClientTls, name: &str) -> (Handshake, Handshake) {
    let (near, far) = tcp_pair().await;
    let mut sni = None;
    tokio::join!(connect(client, name, near), handshake_server(server, far, &mut sni))
}

fn client(options: &ClientTlsOptions) -> ClientTls {
    ClientTls::build(options).unwrap().0
}

#[tokio::test]
async fn handshake_settles_facts_on_both_sides() {
    let ca = Authority::new();
    let options =
        ServerTlsOptions { alpn: vec!["h2".to_owned(), "http/1.1".to_owned()], ..ServerTlsOptions::default() };
    let server = ServerTls::build(&options, set(vec![ca.load("a", &["a.example"])], None), &Trusts::default()).unwrap();
    let tls = client(&ClientTlsOptions { alpn: vec!["http/1.1".to_owned()], ..ca.client() });
    let (near, far) = handshake(&server, &tls, "A.example").await;
    let ((mut near, seen), (mut far, facts)) = (near.unwrap(), far.unwrap());
    assert_eq!(facts.sni.as_deref(), Some("a.example"));
    assert_eq!(facts.alpn.as_deref(), Some("http/1.1"));
    assert_eq!((facts.version, facts.resumed), ("TLSv1.3", false));
    assert!(facts.cipher.starts_with("TLS_"), "{}", facts.cipher);
    assert_eq!(seen.cipher, facts.cipher);
    near.write_all(b"ping").await.unwrap();
    near.flush().await.unwrap();
    let mut buf = [0; 4];
    far.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"ping");
}

#[tokio::test]
async fn exact_name_beats_wildcard_beats_default() {
    let ca = Authority::new();
    let certificates =
        vec![ca.load("w", &["*.example.com"]), ca.load("x", &["api.example.com"]), ca.load("d", &["other.example"])];
    let expected = certificates.clone();
    let server =
        ServerTls::build(&ServerTlsOptions::default(), set(certificates, Some(2)), &Trusts::default()).unwrap();
    let tls = client(&ClientTlsOptions { insecure_skip_verify: true, ..ClientTlsOptions::default() });
    for (name, which) in [
        ("www.example.com", 0),
        ("api.example.com", 1),
        ("API.example.com", 1),
        ("example.com", 2),
        ("a.b.example.com", 2),
        ("127.0.0.1", 2),
    ] {
        let (near, far) = handshake(&server, &tls, name).await;
        let near = near.unwrap().0;
        let Transport::Tls(stream) = &near else { panic!("not TLS") };
        let shown = stream.get_ref().1.peer_certificates().unwrap().to_vec();
        assert_eq!(shown, expected[which].key.cert, "{name}");
        assert_eq!(far.unwrap().1.sni.as_deref().is_some(), name != "127.0.0.1");
    }
}

#[tokio::test]
async fn unknown_name_is_refused_without_a_default() {
    let ca = Authority::new();
    let server = ServerTls::build(
        &ServerTlsOptions::default(),
        set(vec![ca.load("a", &["a.example"])], None),
        &Trusts::default(),
    )
    .unwrap();
    let (near, far) = handshake(&server, &client(&ca.client()), "b.example").await;
    assert!(matches!(near, Err(TlsError::Endpoint { .. })) && matches!(far, Err(TlsError::NoCertificate { .. })));
}

/// One whole visit, with a byte each way so that the tickets arrive.
async fn visit(server: &ServerTls, tls: &ClientTls, name: &str) -> bool {
    let (near, far) = handshake(server, tls, name).await;
    let ((mut near, _), (mut far, facts)) = (near.unwrap(), far.unwrap());
    far.write_all(b"x").await.unwrap();
    far.flush().await.unwrap();
    near.read_u8().await.unwrap();
    facts.resumed
}

#[tokio::test]
async fn sessions_resume_also_after_the_certificate_was_swapped() {
    let ca = Authority::new();
    let options = ServerTlsOptions::default();
    let server = ServerTls::build(&options, set(vec![ca.load("a", &["a.example"])], None), &Trusts::default()).unwrap();
    let tls = client(&ca.client());
    assert!(!visit(&server, &tls, "a.example").await);
    assert!(visit(&server, &tls, "a.example").await);
    assert!(handshake(&server, &tls, "b.example").await.0.is_err());
    let next = ca.load("a2", &["a.example", "b.example"]);
    server.swap(set(vec![next.clone()], None), &Trusts::default()).unwrap();
    assert!(!visit(&server, &tls, "b.example").await, "the new certificate has a name more");
    assert!(visit(&server, &tls, "a.example").await, "the ticket survives");

    let (near, _far) = handshake(&server, &client(&ca.client()), "a.example").await;
    let near = near.unwrap().0;
    let Transport::Tls(stream) = &near else { panic!("not TLS") };
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap(), next.key.cert, "a new client sees the new one");

    assert!(server.swap(CertificateSet::default(), &Trusts::default()).is_err());
    assert!(visit(&server, &tls, "a.example").await, "a failed swap leaves all as it was");
}

#[tokio::test]
async fn refusals_of_endpoints_say_why_and_what_to_do() {
    let ca = Authority::new();
    // Authorities are told apart by their keys, be their names the same or not.
    let (other, stranger) = (Authority::new(), Authority::named("stranger"));
    let expired = Certificate::load(&ca.issue_until("old", &["old.example"], (2020, 2, 29))).unwrap().0;
    let certificates = vec![
        ca.load("a", &["a.example", "*.b.example"]),
        expired,
        other.load("o", &["o.example"]),
        stranger.load("s", &["s.example"]),
    ];
    let server =
        ServerTls::build(&ServerTlsOptions::default(), set(certificates, Some(0)), &Trusts::default()).unwrap();
    for (name, words) in [
        ("c.example", &["endpoint c.example", "a.example", "*.b.example", "tls.sni"][..]),
        ("x.y.b.example", &["endpoint x.y.b.example", "*.b.example", "tls.sni"]),
        ("b.example", &["endpoint b.example", "*.b.example", "tls.sni"]),
        ("old.example", &["expired on 2020-02-29", "renew"]),
        ("o.example", &["authority we do not know", "tls.ca"]),
        ("s.example", &["tls.ca"]),
        ("no name", &["neither a DNS name nor an IP address"]),
    ] {
        let text = handshake(&server, &client(&ca.client()), name).await.0.unwrap_err().to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{name}: {text}");
    }
    let renamed = ClientTlsOptions { server_name: Some("x.b.example".to_owned()), ..ca.client() };
    assert!(handshake(&server, &client(&renamed), "c.example").await.0.is_ok());
    let blind = ClientTlsOptions { insecure_skip_verify: true, ..ClientTlsOptions::default() };
    assert!(handshake(&server, &client(&blind), "c.example").await.0.is_ok());
}

#[tokio::test]
async fn system_does_not_know_our_authority() {
    let ca = Authority::new();
    let set = set(vec![ca.load("a", &["a.example"])], Some(0));
    let server = ServerTls::build(&ServerTlsOptions::default(), set, &Trusts::default()).unwrap();
    if let Ok((system, _)) = ClientTls::build(&ClientTlsOptions::default()) {
        assert!(handshake(&server, &system, "a.example").await.0.is_err());
    }
}

#[tokio::test]
async fn versions_below_the_minimum_are_refused() {
    let ca = Authority::new();
    let options = ServerTlsOptions { min_version: TlsVersion::Tls13, ..ServerTlsOptions::default() };
    let server = ServerTls::build(&options, set(vec![ca.load("a", &["a.example"])], None), &Trusts::default()).unwrap();
    let (_, far) = judged(&server, &["-tls1_2", "-servername", "a.example"]).await;
    assert!(matches!(far, Err(TlsError::Client { .. })));
}

#[test]
fn warnings_name_the_file_and_the_day() {
    let ca = Authority::new();
    let (_, warnings) = Certificate::load(&ca.issue_until("old", &["a.example"], (2021, 3, 1))).unwrap();
    let text = warnings[0].to_string();
    assert!(text.contains("old.pem") && text.contains("expired on 2021-03-01"), "{text}");
    let (_, warnings) = Certificate::load(&ca.issue("nameless", &["192.0.2.1"])).unwrap();
    assert!(matches!(warnings[..], [CertificateWarning::NoNames { .. }]), "{warnings:?}");

    let files = ca.issue("loose", &["a.example"]);
    let key = std::fs::read(&files.key).unwrap();
    std::fs::remove_file(&files.key).unwrap();
    std::fs::write(&files.key, key).unwrap();
    let (certificate, warnings) = Certificate::load(&files).unwrap();
    assert_eq!(certificate.names(), [Box::from("a.example")]);
    let exposed = os::exposure(&files.key).unwrap();
    assert_eq!(warnings, exposed.map(CertificateWarning::KeyExposed).into_iter().collect::<Vec<_>>());
}

#[test]
fn unusable_files_are_named_with_a_remedy() {
    let ca = Authority::new();
    let (a, b) = (ca.issue("a", &["a.example"]), ca.issue("b", &["b.example"]));
    let text = |chain: &Path, key: &Path| {
        Certificate::load(&CertificateFiles { chain: chain.to_owned(), key: key.to_owned() }).unwrap_err().to_string()
    };
    let crossed = text(&a.chain, &b.key);
    assert!(crossed.contains("b.key") && crossed.contains("does not belong") && crossed.contains("a.pem"), "{crossed}");
    assert!(text(&ca.path("none.pem"), &a.key).contains("none.pem: cannot be read"));
    assert!(text(&a.key, &a.key).contains("no certificate in it"));
    assert!(text(&a.chain, &a.chain).contains("no private key in it"));
    let locked = ca.path("locked.key");
    write_key(&locked, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    assert!(text(&a.chain, &locked).contains("is encrypted"));
    let broken = ca.path("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(text(&broken, &a.key).contains("broken.pem"));
}

#[test]
fn dates_are_told_and_read_alike() {
    for (seconds, text) in [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (4_107_542_400, "2100-03-01")] {
        assert_eq!(validity::date(seconds), text);
    }
    let ca = Authority::new();
    for (year, month, day) in [(2000, 2, 29), (2049, 12, 31), (2050, 1, 1), (2400, 3, 1)] {
        let (certificate, _) = Certificate::load(&ca.issue_until("t", &["a.example"], (year, month, day))).unwrap();
        let end = certificate.not_after().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(validity::date(end.as_secs()), format!("{year:04}-{month:02}-{day:02}"));
    }
    assert_eq!(validity::validity(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
}

#[tokio::test]
async fn tickets_are_no_unasked_bytes_but_content_is() {
    let ca = Authority::new();
    let server = ServerTls::build(
        &ServerTlsOptions::default(),
        set(vec![ca.load("a", &["a.example"])], None),
        &Trusts::default(),
    )
    .unwrap();
    let tls = client(&ca.client());
    let (near, far) = handshake(&server, &tls, "a.example").await;
    let ((mut near, _), (mut far, _)) = (near.unwrap(), far.unwrap());
    poll_fn(|cx| near.poll_read_ready(cx)).await.unwrap();
    assert_eq!(near.check_idle(), IdleState::Quiet, "the tickets of TLS 1.3 came");
    far.write_all(b"unasked").await.unwrap();
    far.flush().await.unwrap();
    while near.check_idle() == IdleState::Quiet {
        poll_fn(|cx| near.poll_read_ready(cx)).await.unwrap();
    }
    let mut rest = [0; 6];
    poll_fn(|cx| near.poll_read_ready(cx)).await.unwrap();
    near.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"nasked", "what lies decrypted counts as ready");
    far.shutdown().await.unwrap();
    loop {
        poll_fn(|cx| near.poll_read_ready(cx)).await.unwrap();
        match near.check_idle() {
            IdleState::Quiet => {}
            state => break assert_eq!(state, IdleState::Closed),
        }
    }
}

#[tokio::test(flavor = "local")]
async fn relay_carries_bulk_and_half_close_through_tls() {
    let ca = Authority::new();
    let server = ServerTls::build(
        &ServerTlsOptions::default(),
        set(vec![ca.load("a", &["a.example"])], None),
        &Trusts::default(),
    )
    .unwrap();
    let (near, far) = handshake(&server, &client(&ca.client()), "a.example").await;
    let ((mut near, _), (mut a, _)) = (near.unwrap(), far.unwrap());
    let (b, mut origin) = tcp_pair().await;
    let mut b = Transport::from(b);
    let body: Vec<u8> = (0..20u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let counters = RelayCounters::default();
    let options = RelayOptions::default();
    let there = async {
        near.write_all(&body).await.unwrap();
        near.shutdown().await.unwrap();
        let mut back = Vec::new();
        near.read_to_end(&mut back).await.unwrap();
        back
    };
    let echo = async {
        let mut all = Vec::new();
        origin.read_to_end(&mut all).await.unwrap();
        origin.write_all(&all).await.unwrap();
        origin.shutdown().await.unwrap();
    };
    let (back, (), end) = tokio::join!(there, echo, relay(&mut a, &mut b, &options, &counters));
    assert_eq!(end.unwrap(), RelayEnd::Closed);
    assert!(back == body, "bytes differ");
    assert_eq!((counters.a_to_b.get(), counters.b_to_a.get()), (body.len() as u64, body.len() as u64));
}

/// Has `openssl s_client` visit the server, which says a word and closes. Gives what openssl printed and what the server saw.
async fn judged(server: &ServerTls, arguments: &[&str]) -> (String, Result<TlsFacts, TlsError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let mut command = tokio::process::Command::new("openssl");
    command.args(["s_client", "-connect", &addr, "-ign_eof"]).args(arguments);
    let openssl = command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let serve = async {
        let (mut transport, facts) = handshake_server(server, listener.accept().await.unwrap().0, &mut None).await?;
        transport.write_all(b"a word from the gateway\n").await.unwrap();
        transport.shutdown().await.unwrap();
        // Wait for the other side to end, so that our close is not a reset.
        let mut rest = Vec::new();
        if let Err(e) = transport.read_to_end(&mut rest).await {
            assert!(crate::transport::is_truncation(&e) || crate::transport::is_reset(&e), "{e}");
        }
        Ok(facts)
    };
    let (seen, output) = tokio::join!(serve, openssl.wait_with_output());
    let output = output.unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr), seen)
}

#[tokio::test]
async fn openssl_verifies_us_and_resumes_in_both_versions() {
    let ca = Authority::new();
    let options = ServerTlsOptions { alpn: vec!["http/1.1".to_owned()], ..ServerTlsOptions::default() };
    let server =
        ServerTls::build(&options, set(vec![ca.load("a", &["*.a.example"])], None), &Trusts::default()).unwrap();
    let roots = ca.path("ca.pem").display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = ca.path(version).display().to_string();
        let base = [
            "-CAfile",
            &roots,
            "-verify_return_error",
            "-verify_hostname",
            "x.a.example",
            "-servername",
            "x.a.example",
            "-alpn",
            "http/1.1",
            version,
        ];
        let (text, facts) = judged(&server, &[&base[..], &["-sess_out", &session]].concat()).await;
        let facts = facts.unwrap();
        assert!(text.contains("Verify return code: 0 (ok)") && text.contains("a word from the gateway"), "{text}");
        assert_eq!((facts.resumed, facts.alpn.as_deref()), (false, Some("http/1.1")));
        server.swap(set(vec![ca.load("a2", &["*.a.example"])], None), &Trusts::default()).unwrap();
        let (text, facts) = judged(&server, &[&base[..], &["-sess_in", &session]].concat()).await;
        assert!(facts.unwrap().resumed && text.contains("Reused, "), "{text}");
    }
}

/// Prints the resident memory of an idle TLS connection, both ends of it. Run alone: other tests disturb it.
#[tokio::test]
#[ignore = "a measurement, to be run alone"]
async fn measure_idle_tls_connections() {
    let ca = Authority::new();
    let server = ServerTls::build(
        &ServerTlsOptions::default(),
        set(vec![ca.load("a", &["a.example"])], None),
        &Trusts::default(),
    )
    .unwrap();
    let tls = client(&ca.client());
    let mut held = Vec::new();
    for round in 0..2 {
        let before = os::process_stats().rss;
        for _ in 0..400 {
            let (near, far) = handshake(&server, &tls, "a.example").await;
            let (mut near, mut far) = (near.unwrap().0, far.unwrap().0);
            for _ in 0..2 {
                near.write_all(&[1; 300]).await.unwrap();
                near.flush().await.unwrap();
                far.read_exact(&mut [0; 300]).await.unwrap();
                far.write_all(&[1; 1000]).await.unwrap();
                far.flush().await.unwrap();
                near.read_exact(&mut [0; 1000]).await.unwrap();
            }
            held.push((near, far));
        }
        let each = (os::process_stats().rss - before) / 400;
        println!("round {round}: {each} bytes for both ends of an idle TLS connection");
        assert!(each < 2 * 24 * 1024, "{each}");
    }
}

#[test]
fn client_settings_are_the_same_while_their_files_are() {
    let authority = Authority::new();
    let mut options =
        ClientTlsOptions { certificate: Some(authority.issue("own", &["own.test"])), ..authority.client() };
    let first = client(&options);
    assert!(first == client(&options));
    authority.issue("own", &["own.test"]);
    assert!(first != client(&options), "another certificate in the same file");
    options.certificate = None;
    let second = client(&options);
    std::fs::copy(Authority::new().path("ca.pem"), authority.path("ca.pem")).unwrap();
    assert!(second != client(&options), "another authority in the same file");
    options.server_name = Some("other.test".to_owned());
    assert!(client(&options) != second);
}

/// The certificate that a client is shown for a name.
async fn shown(server: &ServerTls, options: &ClientTlsOptions, name: &str) -> Result<Vec<u8>, (TlsError, TlsError)> {
    match handshake(server, &client(options), name).await {
        (Ok((Transport::Tls(stream), _)), Ok(_)) => {
            Ok(stream.get_ref().1.peer_certificates().unwrap()[0].as_ref().to_vec())
        }
        (Err(near), Err(far)) => Err((near, far)),
        (near, far) => panic!("{:?} {:?}", near.err(), far.err()),
    }
}

#[tokio::test]
async fn certificate_that_comes_later_is_served_from_then_on_and_its_names_are_refused_before() {
    let ca = Authority::new();
    let (keyring, other) = (Keyring::default(), ca.load("other", &["other.example", "*.w.example"]));
    let names = ["a.example", "*.b.example", "x.w.example"].map(Into::into).to_vec();
    let kept = Served::Kept { cell: keyring.cell("www"), names };
    let set = CertificateSet { certificates: vec![kept, other.clone().into()], default: Some(0) };
    let server = ServerTls::build(&ServerTlsOptions::default(), set, &Trusts::default()).unwrap();
    let blind = ClientTlsOptions { insecure_skip_verify: true, ..ClientTlsOptions::default() };
    for name in ["a.example", "A.example", "x.b.example"] {
        let (near, far) = shown(&server, &blind, name).await.unwrap_err();
        assert!(near.to_string().contains("does not serve that server name"), "{name}: {near}");
        assert!(matches!(far, TlsError::NoCertificate { .. }), "{name}: {far}");
    }
    let of = |certificate: &Certificate| certificate.key.cert[0].as_ref().to_vec();
    // The first that is there stands in for names of nobody; a wildcard that fits is no stand-in.
    for name in ["x.w.example", "y.x.b.example", "unknown.example"] {
        assert_eq!(shown(&server, &blind, name).await.unwrap(), of(&other), "{name}");
    }
    let mut last = None;
    for round in 0..3 {
        let issued = ca.load(&format!("own{round}"), &["a.example", "*.b.example"]);
        keyring.cell("www").set(Some(issued.clone()));
        for name in ["a.example", "x.b.example", "unknown.example"] {
            assert_eq!(shown(&server, &blind, name).await.unwrap(), of(&issued), "{name}");
        }
        assert_eq!(shown(&server, &blind, "other.example").await.unwrap(), of(&other));
        last = Some(issued);
    }
    keyring.retain(|name| name != "www");
    keyring.cell("www").set(None);
    assert_eq!(shown(&server, &blind, "a.example").await.unwrap(), of(&last.unwrap()), "who served it goes on");
}

#[derive(Debug)]
struct Shows(Certificate, &'static str);

impl rustls::server::ResolvesServerCert for Shows {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        (hello.server_name() == Some(self.1)).then(|| self.0.key.clone())
    }
}

#[tokio::test]
async fn ca_is_shown_its_certificate_by_a_listener_that_has_none_and_nobody_else_is() {
    let ca = Authority::new();
    let proof = ca.load("proof", &["a.example"]);
    let kept = Served::Kept { cell: Keyring::default().cell("www"), names: vec!["a.example".into()] };
    let set = CertificateSet { certificates: vec![kept], default: Some(0) };
    let server = ServerTls::build(&ServerTlsOptions::default(), set, &Trusts::default()).unwrap();
    let server = server.with_challenges(Arc::new(Shows(proof.clone(), "a.example"))).unwrap();
    let with = |alpn: &[&str]| ClientTlsOptions {
        insecure_skip_verify: true,
        alpn: alpn.iter().map(|protocol| (*protocol).to_owned()).collect(),
        ..ClientTlsOptions::default()
    };
    let (near, far) = handshake(&server, &client(&with(&["acme-tls/1"])), "a.example").await;
    assert!(matches!(far, Err(TlsError::Challenge)));
    let (mut stream, facts) = near.unwrap();
    assert_eq!(facts.alpn.as_deref(), Some("acme-tls/1"));
    let Transport::Tls(inner) = &stream else { panic!("not TLS") };
    assert_eq!(inner.get_ref().1.peer_certificates().unwrap()[0].as_ref(), proof.key.cert[0].as_ref());
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "it is closed with a goodbye");
    for (name, alpn) in [
        ("b.example", &["acme-tls/1"][..]),
        ("a.example", &["acme-tls/1", "h2"]),
        ("a.example", &["h2", "acme-tls/1"]),
        ("a.example", &["http/1.1"]),
        ("a.example", &[]),
    ] {
        let (_, far) = shown(&server, &with(alpn), name).await.unwrap_err();
        assert!(matches!(far, TlsError::NoCertificate { .. }), "{name} {alpn:?}: {far}");
    }
}
