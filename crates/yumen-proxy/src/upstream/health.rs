//! Active health checks, on the control side.
//!
//! One task for each upstream that asks for checks. It knows its upstream weakly, so that dropping the snapshot that owns
//! the upstream ends it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use yumen_config::config::{Health, HealthCheck, UpstreamProtocol};
use yumen_http1::{self as http1, Parsed, ResponseHead};
use yumen_net::dial::{self, DialOptions};
use yumen_net::rt;
use yumen_net::tls;
use yumen_net::transport::Transport;

use super::{Endpoint, Upstream, h2, introduce};
use crate::wire::{Link, Outgoing};

/// Consecutive verdicts about one endpoint.
#[derive(Clone, Copy, Default)]
struct Streak {
    good: u32,
    bad: u32,
}

/// Checks the endpoints of an upstream until it is gone.
pub(crate) fn watch(upstream: &Arc<Upstream>) {
    let Some(health) = upstream.config.health.clone() else { return };
    let upstream = Arc::downgrade(upstream);
    drop(rt::spawn(run(upstream, health)));
}

async fn run(upstream: Weak<Upstream>, health: Health) {
    let mut streaks: HashMap<u64, Streak> = HashMap::new();
    loop {
        let Some(strong) = upstream.upgrade() else { return };
        let next = rt::now() + jittered(health.interval, health.jitter);
        let endpoints = strong.endpoints();
        // Verdicts count as they come: one endpoint that is slow to answer must not shield another one.
        let (tell, mut verdicts) = mpsc::unbounded_channel();
        for endpoint in endpoints.iter() {
            let (endpoint, health, tls, tell) =
                (Arc::clone(endpoint), health.clone(), strong.tls.clone(), tell.clone());
            let hello = introduce::own(strong.config.proxy_protocol);
            let protocol = strong.config.protocol;
            drop(rt::spawn(async move {
                let good =
                    rt::timeout(health.timeout, check(&endpoint, (&health, protocol), tls.as_deref(), &hello)).await;
                let verdict = good.unwrap_or_else(|_| Err(io::Error::other("no answer in time")));
                // Nobody listens any more when the gateway stops.
                drop(tell.send((endpoint, verdict)));
            }));
        }
        drop(tell);
        while let Some((endpoint, verdict)) = verdicts.recv().await {
            let streak = streaks.entry(endpoint.id).or_default();
            let in_force = strong.if_in_force(|| judge(&strong, &endpoint, streak, &health, verdict));
            if !in_force {
                return;
            }
        }
        streaks.retain(|id, _| endpoints.iter().any(|e| e.id == *id));
        drop(strong);
        rt::sleep_until(next).await;
    }
}

fn judge(upstream: &Upstream, endpoint: &Endpoint, streak: &mut Streak, health: &Health, verdict: io::Result<()>) {
    match verdict {
        Ok(()) => {
            *streak = Streak { good: streak.good.saturating_add(1), bad: 0 };
            if streak.good >= health.rise && !endpoint.is_healthy() {
                upstream.judge(endpoint, true);
                tracing::info!(upstream = %upstream.name, endpoint = %endpoint.name, "endpoint is healthy again");
            }
        }
        Err(error) => {
            *streak = Streak { good: 0, bad: streak.bad.saturating_add(1) };
            if streak.bad >= health.fall && endpoint.is_healthy() {
                upstream.judge(endpoint, false);
                tracing::warn!(upstream = %upstream.name, endpoint = %endpoint.name, %error, "endpoint is unhealthy");
            }
        }
    }
}

/// Spreads checks out, so that many gateways do not ask at once.
fn jittered(interval: Duration, percent: u8) -> Duration {
    let spread = f64::from(percent.min(100)) / 100.0;
    interval.mul_f64(rand::rng().random_range(1.0 - spread..=1.0 + spread))
}

async fn check(
    endpoint: &Endpoint,
    (health, protocol): (&Health, UpstreamProtocol),
    client: Option<&tls::ClientTls>,
    hello: &[u8],
) -> io::Result<()> {
    let options = DialOptions { timeout: health.timeout, ..DialOptions::default() };
    let mut stream = dial::connect(endpoint.addr, &options).await.map_err(io::Error::other)?;
    stream.write_all(hello).await?;
    let over_http2 = match &health.check {
        HealthCheck::Tcp => return Ok(()),
        HealthCheck::Grpc { .. } => true,
        // What an endpoint would choose is not asked for a check: one that chooses speaks HTTP/1.1 too.
        HealthCheck::Http { .. } => matches!(protocol, UpstreamProtocol::Http2 | UpstreamProtocol::H2c),
    };
    let is_tls = endpoint.tls_name.is_some();
    let transport = match (client, &endpoint.tls_name) {
        (Some(client), Some(name)) => {
            let alpn: &[&str] = if over_http2 { &["h2"] } else { &[] };
            tls::connect_offering(client, name, stream, alpn).await.map_err(io::Error::other)?.0
        }
        _ => Transport::plain(stream),
    };
    let (path, expect, host) = match &health.check {
        HealthCheck::Tcp => return Ok(()),
        HealthCheck::Grpc { service, host } => {
            return h2::probe(transport, service, host.as_deref().unwrap_or(&endpoint.authority), is_tls).await;
        }
        HealthCheck::Http { path, expect, host } => (path, expect, host.as_deref().unwrap_or(&endpoint.authority)),
    };
    let status = match over_http2 {
        true => h2::ask(transport, path, host, is_tls).await?,
        false => ask(&mut Link::new(transport), path, host).await?,
    };
    if expect.iter().any(|(from, to)| (*from..=*to).contains(&status)) {
        return Ok(());
    }
    Err(io::Error::other(format!("{path} answered {status}")))
}

async fn ask(link: &mut Link, path: &str, host: &str) -> io::Result<u16> {
    let mut out = Outgoing::new(Vec::new());
    http1::encode_request_line(out.text(), b"GET", path.as_bytes());
    http1::encode_field(out.text(), b"Host", host.as_bytes());
    http1::encode_field(out.text(), b"User-Agent", b"yumen-health");
    http1::encode_field(out.text(), b"Connection", b"close");
    out.text().extend_from_slice(b"\r\n");
    std::future::poll_fn(|cx| out.poll_write(link, cx)).await?;
    let mut head = ResponseHead::default();
    loop {
        match http1::parse_response(&link.ahead, &http1::Limits::default(), b"GET", &mut head) {
            Ok(Parsed::Complete) => return Ok(head.status),
            Ok(Parsed::Partial) => {}
            Err(fault) => return Err(io::Error::other(fault)),
        }
        if std::future::poll_fn(|cx| link.poll_fill(cx)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
