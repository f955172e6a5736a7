//! The client of the row of HTTP/3, on quinn and h3: Debian's `h2load` is built without.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Buf;
use h3::client::SendRequest;
use h3_quinn::OpenStreams;
use quinn::crypto::rustls::QuicClientConfig;

use super::held::client_config;
use super::load::Rate;
use super::proxies::Site;

/// Connections, and requests under way on each.
const CONNECTIONS: usize = 8;
const STREAMS: usize = 16;

/// GETs over HTTP/3.
pub(crate) fn get(site: &Site, port: u16, path: &str, seconds: u64) -> Result<Rate> {
    let tls = client_config(site, Some(b"h3"))?;
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let uri: http::Uri = format!("https://localhost:{port}{path}").parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(
        &runtime,
        load(config, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), uri, Duration::from_secs(seconds)),
    )
}

async fn load(config: quinn::ClientConfig, address: SocketAddr, uri: http::Uri, time: Duration) -> Result<Rate> {
    let endpoint = quinn::Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = endpoint.connect_with(config.clone(), address, "localhost")?;
        let connection = connection.await.context("no QUIC connection")?;
        let (mut driver, sender) = h3::client::new(h3_quinn::Connection::new(connection)).await?;
        // It ends with the last of its senders.
        drop(tokio::task::spawn_local(async move { drop(driver.wait_idle().await) }));
        senders.push(sender);
    }
    let begin = Instant::now();
    let clients = senders.iter().flat_map(|sender| (0..STREAMS).map(|_| sender.clone()));
    let tasks: Vec<_> =
        clients.map(|sender| tokio::task::spawn_local(client(sender, uri.clone(), begin + time))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.context("a client ended early")??);
    }
    let elapsed = begin.elapsed().as_secs_f64();
    ensure!(!times.is_empty(), "no request was answered");
    times.sort_unstable();
    let at =
        |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time: &Duration| time.as_secs_f64() * 1e3);
    let requests = times.len() as f64;
    Ok(Rate { requests, per_second: requests / elapsed, p50_ms: at(50), p99_ms: at(99), errors: 0.0 })
}

/// One request after the other; gives the time of each.
async fn client(
    mut sender: SendRequest<OpenStreams, bytes::Bytes>,
    uri: http::Uri,
    until: Instant,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    loop {
        let begin = Instant::now();
        if begin >= until {
            return Ok(times);
        }
        let mut stream = sender.send_request(http::Request::get(uri.clone()).body(())?).await?;
        stream.finish().await?;
        let answer = stream.recv_response().await?;
        ensure!(answer.status() == http::StatusCode::OK, "an answer is {}", answer.status());
        while let Some(mut part) = stream.recv_data().await? {
            part.advance(part.remaining());
        }
        times.push(begin.elapsed());
    }
}
