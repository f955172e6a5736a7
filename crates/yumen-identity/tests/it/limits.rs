//! What Pebble does not do: limits, windows for renewal, and answers that are no ACME.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use yumen_identity::{Acme, Authority, Certificate, Label, Store, When};

use crate::stage::wish;

/// A CA that has accounts, answers orders from a list, and tells a window.
struct Scripted {
    directory: String,
    roots: Vec<u8>,
    orders: Arc<Mutex<VecDeque<String>>>,
    window: Arc<Mutex<String>>,
}

impl Scripted {
    async fn start(orders: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], der).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let orders: VecDeque<String> = orders.iter().map(|order| (*order).to_owned()).collect();
        let scripted = Self {
            directory: format!("{base}/dir"),
            roots: certificate.pem().into_bytes(),
            orders: Arc::new(Mutex::new(orders)),
            window: Arc::default(),
        };
        let (orders, window) = (scripted.orders.clone(), scripted.window.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let text = String::from_utf8_lossy(&std::mem::take(&mut head)).to_ascii_lowercase();
                    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
                    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
                    stream.read_exact(&mut body).await.unwrap();
                    let path = text.split(' ').nth(1).unwrap_or_default();
                    let answer = answer(&base, path, &orders, &window);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        scripted
    }

    fn acme(&self, store: &Store) -> Acme {
        let mut authority = Authority::new(self.directory.clone());
        authority.roots = Some(self.roots.clone());
        authority.patience.pause = Duration::from_millis(5);
        Acme::new(authority, store.clone(), Vec::new()).unwrap()
    }
}

fn answer(base: &str, path: &str, orders: &Mutex<VecDeque<String>>, window: &Mutex<String>) -> String {
    let with = |head: &str, body: &str| {
        format!("HTTP/1.1 {head}\r\nReplay-Nonce: n\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    match path {
        "/dir" => {
            let directory = json!({
                "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
                "newOrder": format!("{base}/order"), "renewalInfo": format!("{base}/window"),
            });
            with("200 OK", &directory.to_string())
        }
        "/nonce" => with("200 OK", ""),
        "/account" => with(&format!("201 Created\r\nLocation: {base}/account/1"), "{}"),
        "/order" => {
            let next = orders.lock().unwrap().pop_front().unwrap_or_else(|| "500 nothing is left|{}".to_owned());
            let (head, body) = next.split_once('|').unwrap();
            with(head, body)
        }
        window_of if window_of.starts_with("/window/") => with("200 OK\r\nRetry-After: 21600", &window.lock().unwrap()),
        _ => with("404 Not Found", "{}"),
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state")).unwrap();
    (folder, store)
}

#[tokio::test]
async fn a_short_pause_is_waited_for_and_a_long_one_is_told() {
    let limited = r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many orders"}"#;
    let ca = Scripted::start(&[
        &format!("429 Too Many\r\nRetry-After: 0|{limited}"),
        "502 Bad Gateway|<html>a proxy says no</html>",
        &format!("429 Too Many\r\nRetry-After: 3600|{limited}"),
    ])
    .await;
    let (_folder, store) = store();
    let wish = wish("www", &["a.example.test"]);
    let error = ca.acme(&store).ensure(&wish, When::Due).await.unwrap_err();
    assert!(error.is("rateLimited"), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert!(error.to_string().contains("an order for a.example.test: too many orders"), "{error}");
    assert!(ca.orders.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_name_is_told_with_the_words_of_the_ca() {
    let refusal = json!({
        "type": "urn:ietf:params:acme:error:malformed", "detail": "Some were rejected",
        "subproblems": [{
            "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "forbidden by policy",
            "identifier": {"type": "dns", "value": "b.example.test"},
        }],
    });
    let ca = Scripted::start(&[&format!("400 Bad Request|{refusal}")]).await;
    let (_folder, store) = store();
    let wish = wish("www", &["a.example.test", "b.example.test"]);
    let error = ca.acme(&store).ensure(&wish, When::Due).await.unwrap_err().to_string();
    assert!(error.contains("b.example.test: forbidden by policy (rejectedIdentifier)"), "{error}");
}

/// A certificate that is valid for 90 days from now, signed by an authority.
fn signed(name: &str) -> Certificate {
    let (authority, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(params, authority);
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    params.not_before = now().into();
    params.not_after = (now() + Duration::from_secs(90 * 86_400)).into();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Certificate::new(&certificate.pem(), &key.serialize_pem()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid by the date")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[tokio::test]
async fn the_window_of_the_ca_decides_and_its_absence_is_no_failure() {
    let ca = Scripted::start(&["500 no|{}"]).await;
    let (_folder, store) = store();
    let (label, wish) = (Label::parse("www").unwrap(), wish("www", &["a.example.test"]));
    let certificate = signed("a.example.test");
    store.keep_certificate(&label, &certificate).unwrap();
    let acme = ca.acme(&store);
    // What is told is no window, so two thirds of the life decide, and that is far away.
    let ensured = acme.ensure(&wish, When::Due).await.unwrap();
    assert_eq!((ensured.is_new, ensured.renewal.ask_again), (false, None));
    let set = |start: &str, end: &str| {
        let window = json!({"suggestedWindow": {"start": start, "end": end}});
        *ca.window.lock().unwrap() = window.to_string();
    };
    set("2090-01-01T00:00:00Z", "2090-01-03T00:00:00Z");
    let ensured = acme.ensure(&wish, When::Due).await.unwrap();
    // Counted to a date and back.
    let told = ensured.renewal.ask_again.unwrap();
    assert!(!ensured.is_new && told <= Duration::from_secs(21_600) && told > Duration::from_secs(21_000), "{told:?}");
    assert!(ensured.renewal.at < certificate.facts().not_after && !ensured.renewal.is_due(now()));
    // The CA is about to revoke it: it is ordered anew, and the old one stays while that fails.
    set("2020-01-01T00:00:00Z", "2020-01-03T00:00:00Z");
    assert!(acme.ensure(&wish, When::Due).await.is_err());
    assert_eq!(store.certificate(&label).unwrap().unwrap(), certificate);
}
