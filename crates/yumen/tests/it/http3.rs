//! HTTP/3 with clients: a client of the same libraries, which says what a browser would say.

mod certificates;
mod early;
mod interim;
mod judge;
#[cfg(target_os = "linux")]
mod upgrade;

use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3_quinn::{BidiStream, OpenStreams};
use quinn::crypto::rustls::QuicClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::runtime::Runtime;
use yumen_net::quic::Socket;
use yumen_test::PATIENCE;

use crate::authority::Authority;
use crate::ends::{Gate, Manner, Origin};
use crate::gateway::{text, until};
use crate::site::Site;

fn config(origin: &Origin, http3: &str, more: &str) -> String {
    format!(
        "runtime: {{ workers: 2, drain_timeout: 20s }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: {{ cert: one.pem, key: one.key }} }}, \
         http3: {http3}{more} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        origin.addr
    )
}

fn site(origin: &Origin, http3: &str) -> (Site, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("one", "one", &["one.test"]);
    (Site::start_in(folder, &config(origin, http3, "")), authority)
}

type Stream = h3::client::RequestStream<BidiStream<Bytes>, Bytes>;

/// A client with one connection at a time.
pub(crate) struct Client {
    runtime: Runtime,
    endpoint: quinn::Endpoint,
    connection: quinn::Connection,
    requests: h3::client::SendRequest<OpenStreams, Bytes>,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: http::HeaderMap,
    body: Vec<u8>,
}

/// A socket like those of the gateway: the library's own asks for more than Wine has.
fn socket() -> Arc<Socket> {
    socket_of(UdpSocket::bind("127.0.0.1:0").unwrap())
}

fn socket_of(socket: UdpSocket) -> Arc<Socket> {
    socket.set_nonblocking(true).unwrap();
    Socket::start(socket).unwrap()
}

fn endpoint() -> quinn::Endpoint {
    let (config, runtime) = (quinn::EndpointConfig::default(), Arc::new(quinn::TokioRuntime));
    quinn::Endpoint::new_with_abstract_socket(config, None, socket(), runtime).unwrap()
}

/// TLS of a client that shows the certificate of this name in the site's folder, or none.
fn tls(site: &Site, shown: Option<&str>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site.folder().join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let file = |name: &str, kind| site.folder().join(format!("{name}.{kind}"));
    let mut tls = match shown {
        Some(name) => {
            let chain = CertificateDer::pem_file_iter(file(name, "pem")).unwrap().map(Result::unwrap).collect();
            let key = rustls_pki_types::PrivateKeyDer::from_pem_file(file(name, "key")).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls
}

impl Client {
    pub(crate) fn connect(site: &Site) -> Self {
        Self::try_connect(site, "one.test", None).expect("a connection")
    }

    /// With the certificate of a client, to a server name.
    fn try_connect(site: &Site, name: &str, shown: Option<&str>) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut tls = tls(site, shown);
        tls.enable_early_data = true;
        let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let to = site.addr("web");
        let connected = runtime.block_on(async {
            let mut endpoint = endpoint();
            endpoint.set_default_client_config(config);
            let connection = endpoint.connect(to, name).unwrap().await.map_err(|e| e.to_string())?;
            let requests = speak(&connection).await.map_err(|e| e.to_string())?;
            Ok::<_, String>((endpoint, connection, requests))
        });
        let (endpoint, connection, requests) = connected?;
        Ok(Self { runtime, endpoint, connection, requests })
    }

    /// Another connection of the same client, which resumes.
    fn reconnect(&mut self, site: &Site, name: &str) -> Result<(), String> {
        let to = site.addr("web");
        let connected = self.runtime.block_on(async {
            let connection = self.endpoint.connect(to, name).unwrap().await.map_err(|e| e.to_string())?;
            let requests = speak(&connection).await.map_err(|e| e.to_string())?;
            Ok::<_, String>((connection, requests))
        });
        (self.connection, self.requests) = connected?;
        Ok(())
    }

    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, String> {
        self.ask_for("one.test", method, path, (fields, body))
    }

    fn ask_for(
        &mut self,
        host: &str,
        method: &str,
        path: &str,
        (fields, body): (&[(&str, &str)], &[u8]),
    ) -> Result<Answer, String> {
        let asked = async {
            let url = format!("https://{host}{path}");
            let mut stream = send(&mut self.requests, (method, &url), fields, body).await?;
            answer(&mut stream).await
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time") })
    }

    fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"").unwrap()
    }
}

/// Begins HTTP/3 on a connection.
async fn speak(
    connection: &quinn::Connection,
) -> Result<h3::client::SendRequest<OpenStreams, Bytes>, h3::error::ConnectionError> {
    let (mut driver, requests) = h3::client::new(h3_quinn::Connection::new(connection.clone())).await?;
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    Ok(requests)
}

async fn send(
    requests: &mut h3::client::SendRequest<OpenStreams, Bytes>,
    (method, url): (&str, &str),
    fields: &[(&str, &str)],
    body: &[u8],
) -> Result<Stream, String> {
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut stream = requests.send_request(request.body(()).unwrap()).await.map_err(|e| e.to_string())?;
    if !body.is_empty() {
        stream.send_data(Bytes::copy_from_slice(body)).await.map_err(|e| e.to_string())?;
    }
    stream.finish().await.map_err(|e| e.to_string())?;
    Ok(stream)
}

async fn answer(stream: &mut Stream) -> Result<Answer, String> {
    let head = stream.recv_response().await.map_err(|e| e.to_string())?;
    let mut body = Vec::new();
    while let Some(mut part) = stream.recv_data().await.map_err(|e| e.to_string())? {
        body.extend_from_slice(&part.copy_to_bytes(part.remaining()));
    }
    Ok(Answer { status: head.status().as_u16(), fields: head.headers().clone(), body })
}

#[test]
fn request_and_answer_pass_and_stand_in_the_log() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "true");
    let mut client = Client::connect(&site);
    let got = client.get("/a?b=c");
    assert_eq!((got.status, got.body.as_slice()), (200, &b"hello"[..]));
    assert!(got.fields.contains_key("date") && got.fields["x-origin"] == "yes", "{:?}", got.fields);
    let asked = origin.last();
    assert!(asked.starts_with("GET /a?b=c HTTP/1.1\r\n") && asked.contains("Host: one.test\r\n"), "{asked}");
    // Nothing follows, and the endpoint is told so.
    assert!(!asked.to_ascii_lowercase().contains("transfer-encoding"), "{asked}");
    assert!(asked.contains("X-Forwarded-Proto: https"), "{asked}");
    let line = site.wait_access(|line| line["protocol"] == "HTTP/3");
    assert_eq!((&line["status"], &line["tls"], &line["sni"]), (&200.into(), &"TLSv1.3".into(), &"one.test".into()));
    let status = site.status();
    let rows: Vec<&str> =
        status["listeners"].as_array().unwrap().iter().map(|l| l["protocol"].as_str().unwrap()).collect();
    assert_eq!(rows, ["http", "http3"]);
}

#[test]
fn clients_of_other_versions_are_told() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "{ alt_svc: 1h }");
    let port = site.addr("web").port();
    let curl = |way: &str| {
        let output = Command::new("curl")
            .args(["-s", "-S", "-i", way, "--max-time", "10", "--cacert"])
            .arg(site.folder().join("ca.pem"))
            .args(["--resolve", &format!("one.test:{port}:127.0.0.1"), &format!("https://one.test:{port}/")])
            .output()
            .unwrap();
        text(&output).to_ascii_lowercase()
    };
    let wanted = format!("alt-svc: h3=\":{port}\"; ma=3600");
    for way in ["--http1.1", "--http2"] {
        let said = curl(way);
        assert!(said.contains(&wanted), "{way}: {said}");
    }
    site.change(&config(&origin, "{ alt_svc: off }", ""));
    assert!(!curl("--http1.1").contains("alt-svc"));
}

#[test]
fn large_content_passes_both_ways() {
    let origin = Origin::start(Manner::Says(200, "down".repeat(1 << 20)));
    let (site, _authority) = site(&origin, "true");
    let mut client = Client::connect(&site);
    let up = "up".repeat(1 << 20);
    let length = up.len().to_string();
    // With a length and without.
    for fields in [&[("content-length", length.as_str())][..], &[]] {
        let got = client.ask("POST", "/", fields, up.as_bytes()).unwrap();
        assert_eq!((got.status, got.body.len()), (200, 4 << 20));
        assert_eq!(got.fields["content-length"], (4 << 20).to_string().as_str());
        assert!(origin.requests().last().unwrap().1 == up, "the endpoint has it whole");
    }
}

#[test]
fn content_that_is_not_as_long_as_it_says_is_refused() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "true");
    for (said, sent) in [("10", &b"short"[..]), ("3", b"too long")] {
        let mut client = Client::connect(&site);
        let got = client.ask("POST", "/", &[("content-length", said)], sent);
        assert!(got.as_ref().is_err() || got.as_ref().unwrap().status == 400, "{said}: {got:?}");
        site.wait_access(|line| line["reason"] == "h3_message_error");
    }
    assert!(origin.requests().iter().all(|(_, body)| !body.contains("long")), "{:?}", origin.requests());
}

#[test]
fn connection_survives_reloads_and_new_ones_meet_the_new_certificate() {
    let origin = Origin::named("hello");
    let (site, authority) = site(&origin, "true");
    let mut client = Client::connect(&site);
    let certificate = |client: &Client| {
        let chain = client.connection.peer_identity().unwrap().downcast::<Vec<CertificateDer<'static>>>().unwrap();
        chain[0].to_vec()
    };
    assert_eq!(client.get("/").status, 200);
    let before = certificate(&client);
    authority.issue("one", "renewed", &["one.test"]);
    for round in 0..5 {
        site.change(&config(&origin, &format!("{{ max_concurrent_streams: {} }}", 50 + round), ""));
        assert_eq!(client.get("/").status, 200);
    }
    assert!(client.connection.close_reason().is_none());
    let mut other = Client::connect(&site);
    assert_eq!(other.get("/").status, 200);
    assert_ne!(certificate(&other), before);
}

#[test]
fn client_whose_address_changes_keeps_its_connection() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "true");
    // Enough of them that each worker has some, and the system would send some to another worker by their new address.
    for _ in 0..12 {
        let mut client = Client::connect(&site);
        assert_eq!(client.get("/").status, 200);
        client.runtime.block_on(async { client.endpoint.rebind_abstract(socket()).unwrap() });
        assert_eq!(client.get("/").status, 200);
        assert!(client.connection.close_reason().is_none());
    }
    let workers = site.status()["workers"].as_array().unwrap().len();
    assert_eq!(workers, 2);
    assert_eq!(site.metric("yumen_listener_connections_total{listener=\"web\"}"), 12.0);
}

#[test]
fn client_proves_its_address_where_it_has_to() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "{ retry: always }");
    let mut client = Client::connect(&site);
    assert_eq!(client.get("/").status, 200);
    let sent = client.connection.stats().udp_tx.datagrams;
    assert!(sent > 2, "the first packet came twice: {sent}");
}

#[test]
fn early_data_is_not_offered() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "true");
    let mut client = Client::connect(&site);
    client.get("/");
    let to = site.addr("web");
    let connecting = client.runtime.block_on(async { client.endpoint.connect(to, "one.test").unwrap().into_0rtt() });
    assert!(connecting.is_err(), "a ticket of ours promises early data");
}

#[test]
fn answer_on_its_way_is_delivered_while_the_gateway_stops() {
    let origin = Origin::named("hello");
    let (mut site, _authority) = site(&origin, "true");
    let gate = Gate::default();
    origin.set(Manner::Waits("late".into(), gate.clone()));
    let mut client = Client::connect(&site);
    let asking = std::thread::spawn(move || (client.get("/"), client));
    until("the request", || (!origin.requests().is_empty()).then_some(()));
    site.signal("-TERM");
    until("the drain", || (site.status()["state"] == "draining").then_some(()));
    gate.open();
    let (got, client) = asking.join().unwrap();
    assert_eq!((got.status, got.body.as_slice()), (200, &b"late"[..]));
    // The gateway ends the connection, and then itself.
    let closed = async { tokio::time::timeout(Duration::from_secs(20), client.connection.closed()).await.unwrap() };
    client.runtime.block_on(closed);
    assert!(site.end().success());
}

#[test]
fn answers_of_every_worker_are_delivered_while_the_gateway_stops() {
    let origin = Origin::named("hello");
    let (mut site, _authority) = site(&origin, "true");
    // Some workers have a client and others none, whose sockets could be closed before.
    site.change(&config(&origin, "true", "").replace("workers: 2", "workers: 6"));
    let gate = Gate::default();
    let long = "0123456789".repeat(1 << 19);
    origin.set(Manner::Halts(long.clone(), gate.clone()));
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&site)).collect();
    let mut streams = Vec::new();
    for client in &mut clients {
        let begun = async {
            let mut stream = send(&mut client.requests, ("GET", "https://one.test/"), &[], b"").await.unwrap();
            assert_eq!(stream.recv_response().await.unwrap().status(), 200);
            stream
        };
        streams.push(client.runtime.block_on(async { tokio::time::timeout(PATIENCE, begun).await.unwrap() }));
    }
    site.signal("-TERM");
    until("the drain", || (site.status()["state"] == "draining").then_some(()));
    // From other addresses, so that the system cannot go by them.
    for client in &clients {
        client.runtime.block_on(async { client.endpoint.rebind_abstract(socket()).unwrap() });
    }
    gate.open();
    for (client, mut stream) in clients.iter().zip(streams) {
        let rest = async {
            let mut read = 0;
            while let Some(part) = stream.recv_data().await.unwrap() {
                read += part.remaining();
            }
            read
        };
        let read = client.runtime.block_on(async { tokio::time::timeout(PATIENCE, rest).await.unwrap() });
        assert_eq!(read, long.len());
    }
    assert!(site.end().success(), "{}", site.log());
}
