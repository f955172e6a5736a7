//! The transport of the crate against servers with vices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use yumen_alibaba::Draft;
use yumen_alibaba::transport::{Answer, Endpoint, HttpTransport, Outgoing, Stage, Timeouts, Transport, TransportError};

/// Reads one request: head and as many bytes as it announces.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return Some(text);
        }
    }
}

/// Serves every connection with a function of the number of the connection and of the request on it.
async fn server<F, A>(serve: F) -> (Endpoint, Arc<AtomicUsize>)
where
    F: Fn(TcpStream, usize) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let number = count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, number));
        }
    });
    (endpoint, connections)
}

fn transport() -> HttpTransport {
    HttpTransport::new().unwrap()
}

async fn send(transport: &HttpTransport, endpoint: &Endpoint) -> Result<Answer, TransportError> {
    send_within(transport, endpoint, Duration::from_secs(20)).await
}

async fn send_within(
    transport: &HttpTransport,
    endpoint: &Endpoint,
    answer: Duration,
) -> Result<Answer, TransportError> {
    let mut draft = Draft::new("POST", endpoint.authority.clone(), "/path");
    draft.form(&[("a".into(), "b c".into())]);
    let timeouts = Timeouts { connect: Duration::from_secs(5), answer };
    transport.send(Outgoing { endpoint: endpoint.clone(), draft, timeouts }).await
}

#[tokio::test]
async fn a_connection_carries_one_request_after_another() {
    let (endpoint, connections) = server(|mut stream, _| async move {
        while let Some(text) = request(&mut stream).await {
            assert!(text.starts_with("POST /path HTTP/1.1\r\n") && text.ends_with("a=b%20c"), "{text}");
            assert!(text.contains("accept-encoding: identity\r\n"));
            stream.write_all(b"HTTP/1.1 400 Bad\r\nX-Acs-Request-Id: r\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        }
    })
    .await;
    let transport = transport();
    for _ in 0..3 {
        let answer = send(&transport, &endpoint).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (400, b"{}".as_slice()));
        assert_eq!(answer.headers.value("x-acs-request-id"), Some("r"));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_costs_nothing() {
    let (endpoint, connections) = server(|mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let transport = transport();
    let mut answered = 0;
    for _ in 0..200 {
        // Until the end of the connection has arrived the request may go there and break off.
        match send(&transport, &endpoint).await {
            Ok(answer) => answered += usize::from(answer.status == 200),
            Err(error) => assert_eq!(error.stage, Stage::Exchange, "{error}"),
        }
        if answered == 3 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(answered, 3);
    assert!(connections.load(Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told_as_such() {
    for torn in ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{", "HTTP/1.1 200 OK\r\nconte", ""] {
        let (endpoint, _) = server(move |mut stream, _| async move {
            request(&mut stream).await;
            stream.write_all(torn.as_bytes()).await.unwrap();
        })
        .await;
        let error = send(&transport(), &endpoint).await.unwrap_err();
        assert_eq!((error.stage, error.may_have_arrived), (Stage::Exchange, true), "{torn:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"] {
        let (endpoint, _) = server(move |mut stream, _| async move {
            request(&mut stream).await;
            stream.write_all(begun.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
        let error = send_within(&transport(), &endpoint, Duration::from_millis(200)).await.unwrap_err();
        assert_eq!((error.stage, error.may_have_arrived), (Stage::Timeout, true), "{begun:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_so_that_another_try_is_safe() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = send(&transport(), &endpoint).await.unwrap_err();
    assert_eq!((error.stage, error.may_have_arrived), (Stage::Connect, false), "{error}");
}

#[tokio::test]
async fn only_the_named_authorities_are_trusted() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (endpoint, _) = server(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut part = [0; 4096];
            assert_ne!(stream.read(&mut part).await.unwrap(), 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await;
    let port = endpoint.authority.rsplit_once(':').unwrap().1.to_owned();
    let endpoint = Endpoint::https(format!("localhost:{port}"));
    let trusting = HttpTransport::with_authorities(signed.cert.pem().as_bytes()).unwrap();
    assert_eq!(send(&trusting, &endpoint).await.unwrap().status, 200);
    let error = send(&transport(), &endpoint).await.unwrap_err();
    assert_eq!((error.stage, error.may_have_arrived), (Stage::Tls, false), "{error}");
}
