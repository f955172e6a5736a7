//! The rows of the table: what is measured, in rounds that visit every product in turn.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::echo::{self, Echoed};
use super::held::{self, Idle};
use super::load::{self, Load, Rate};
use super::newer::H2_FILE;
use super::process::pause;
use super::proxies::{Product, Proxy, Site, route_path};
use super::report::Report;
use super::{h2load, h3load};

/// Name of a row as `--only` takes it, and what it is.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("small", "GET, 64 bytes, 64 keep-alive connections"),
    ("10k", "GET, 10 KiB, 64 keep-alive connections"),
    ("post", "POST, 10 KiB, 64 keep-alive connections"),
    ("1m", "GET, 1 MiB, 16 keep-alive connections"),
    ("close", "GET, 64 bytes, a new connection for each request, 64 at a time"),
    ("tls", "GET, 64 bytes, 64 keep-alive TLS connections"),
    ("handshakes", "full TLS handshakes, 2 clients"),
    ("relay", "one TCP stream through a relay, up and down"),
    ("h2", "GET, 64 bytes, HTTP/2 without TLS to HTTP/1.1, 16 connections with 16 streams each"),
    ("h2 both", "the same, HTTP/2 on both sides"),
    ("grpc", "unary calls of gRPC, 32 bytes each way, 16 connections with 16 streams each"),
    ("websocket", "messages of 64 bytes and their echoes, 64 WebSockets"),
    ("udp", "datagrams of 64 bytes and their echoes, 32 clients"),
    ("h3", "GET, 64 bytes, HTTP/3 to HTTP/1.1, 8 connections with 16 streams each"),
    ("idle", "memory per idle connection"),
    ("idle newer", "memory per idle connection of HTTP/2, and per idle WebSocket"),
    ("start", "memory and time at start"),
    ("reload", "time from the file's change to its effect, and failed requests, under load"),
    ("routes", "Yumen with 10, 1,000 and 100,000 routes"),
];

/// The rows that all products go through together.
const CLASSIC: [&str; 8] = ["small", "10k", "post", "1m", "close", "tls", "handshakes", "relay"];
const NEWER: [&str; 6] = ["h2", "h2 both", "grpc", "websocket", "udp", "h3"];

/// How long and how often.
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) relayed: u64,
    pub(crate) held: usize,
    pub(crate) reloads: usize,
    /// No round starts after this.
    pub(crate) deadline: Instant,
}

pub(crate) struct Bench<'a> {
    pub(crate) site: &'a Site,
    pub(crate) pace: Pace,
    pub(crate) products: Vec<Product>,
    pub(crate) only: Vec<String>,
    pub(crate) report: Report,
}

/// Between one reload and the next.
const RELOAD_GAP: Duration = Duration::from_millis(100);

/// Path, kind for the load script, connections, whether over TLS.
struct Shape(&'static str, &'static str, usize, bool);

const CPU: (&str, &str) = ("cpu per request", "us");

impl Bench<'_> {
    /// Runs the chosen rows. A product that fails in a row is reported and missing there; the others go on.
    pub(crate) fn run(&mut self) -> Result<()> {
        self.throughput(&CLASSIC, |site, product| Proxy::start(site, product, 0))?;
        self.throughput(&NEWER, Proxy::start_newer)?;
        if self.wants("start") {
            self.each("start", Self::start);
        }
        if self.wants("idle") {
            for kind in Idle::HTTP1 {
                self.each("idle", |bench, product| bench.idle(product, kind));
            }
        }
        if self.wants("idle newer") {
            for kind in Idle::NEWER {
                self.each("idle newer", |bench, product| bench.idle(product, kind));
            }
        }
        if self.wants("reload") {
            self.each("reload", Self::reload);
        }
        if self.wants("routes") && self.products.contains(&Product::Yumen) {
            self.routes();
        }
        Ok(())
    }

    fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == row)
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.pace.deadline
    }

    /// Runs `work` for every product, each on its own.
    fn each(&mut self, row: &str, mut work: impl FnMut(&mut Self, Product) -> Result<()>) {
        for product in self.products.clone() {
            if !product.is_classic() && !is_newer(row) {
                continue;
            }
            if self.is_late() {
                self.report.problem(format!("{row}: left out for {}, the time was over", product.name()));
            } else if let Err(error) = work(self, product) {
                self.report.problem(format!("{row}: {}: {error:#}", product.name()));
            }
        }
    }

    /// Rows that all products go through together, started once.
    fn throughput(&mut self, rows: &[&str], start: fn(&Site, Product) -> Result<Proxy>) -> Result<()> {
        let wanted: Vec<&str> = rows.iter().copied().filter(|row| self.wants(row)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut proxies = Vec::new();
        for product in self.products.clone() {
            if !wanted.iter().any(|row| takes_part(product, row)) {
                continue;
            }
            match start(self.site, product).and_then(|proxy| warm(self.site, proxy)) {
                Ok(proxy) => proxies.push(proxy),
                Err(error) => self.report.problem(format!("{}: {error:#}", product.name())),
            }
        }
        ensure!(!proxies.is_empty(), "none of the products runs");
        for row in wanted {
            eprintln!("bench: {row}");
            for round in 0..self.pace.rounds {
                if self.is_late() {
                    self.report.problem(format!("{row}: {round} of {} rounds, the time was over", self.pace.rounds));
                    break;
                }
                self.round(row, &proxies);
                proxies.rotate_left(1);
            }
        }
        Ok(())
    }

    /// One visit of each product.
    fn round(&mut self, row: &str, proxies: &[Proxy]) {
        for proxy in proxies {
            let outcome = match row {
                "handshakes" => self.handshakes(proxy),
                row if !takes_part(proxy.product, row) => Ok(()),
                "relay" if !proxy.product.has_relay() => Ok(()),
                "websocket" | "udp" => self.echoes(row, proxy),
                row if is_newer(row) => self.streams(row, proxy),
                "relay" => self.relay(proxy, true).and_then(|()| self.relay(proxy, false)),
                row => self.requests(row, proxy),
            };
            if let Err(error) = outcome {
                self.report.problem(format!("{row}: {}: {error:#}", proxy.product.name()));
            }
        }
    }

    fn requests(&mut self, row: &str, proxy: &Proxy) -> Result<()> {
        let Shape(path, kind, connections, tls) = match row {
            "small" => Shape("/small", "get", 64, false),
            "10k" => Shape("/10k", "get", 64, false),
            "post" => Shape("/post", "post 10240", 64, false),
            "1m" => Shape("/1m", "get", 16, false),
            "close" => Shape("/small", "close", 64, false),
            _ => Shape("/small", "get", 64, true),
        };
        let (scheme, port) = if tls { ("https", proxy.ports.tls) } else { ("http", proxy.ports.web) };
        let before = proxy.server.cpu();
        let rate =
            load::wrk(self.site, &format!("{scheme}://127.0.0.1:{port}{path}"), kind, connections, self.pace.seconds)?;
        let cpu = proxy.server.cpu() - before;
        self.note_rate(row, proxy.product, cpu, &rate);
        Ok(())
    }

    /// Requests over HTTP/2 or HTTP/3.
    fn streams(&mut self, row: &str, proxy: &Proxy) -> Result<()> {
        let (ports, seconds) = (proxy.ports.newer, self.pace.seconds);
        let before = proxy.server.cpu();
        let rate = match row {
            "h2" => h2load::get(self.site, ports.h2, "/small", seconds)?,
            "h2 both" => h2load::get(self.site, ports.h2_both, H2_FILE, seconds)?,
            "grpc" => h2load::call(self.site, ports.grpc, seconds)?,
            _ => h3load::get(self.site, ports.h2_tls, "/small", seconds)?,
        };
        let cpu = proxy.server.cpu() - before;
        self.note_rate(row, proxy.product, cpu, &rate);
        Ok(())
    }

    /// What goes there and back: messages through WebSockets, datagrams.
    fn echoes(&mut self, row: &str, proxy: &Proxy) -> Result<()> {
        let (ports, seconds, product) = (proxy.ports.newer, self.pace.seconds, proxy.product);
        let before = proxy.server.cpu();
        let (echoed, name) = match row {
            "udp" => (echo::datagrams(ports.udp, seconds)?, ("cpu per packet", "us")),
            _ => (echo::websockets(ports.websocket, seconds)?, ("cpu per message", "us")),
        };
        let Echoed { count, lost, seconds } = echoed;
        // One there and one back.
        let passed = count * 2.0;
        self.report.note(row, name, product, (proxy.server.cpu() - before) * 1e6 / passed);
        self.report.note(row, ("rate", if row == "udp" { "pkt/s" } else { "msg/s" }), product, passed / seconds);
        if lost > 0.0 {
            self.report.problem(format!("{row}: {}: {lost} of {} were lost in a round", product.name(), count + lost));
        }
        Ok(())
    }

    fn note_rate(&mut self, row: &str, product: Product, cpu: f64, rate: &Rate) {
        self.report.note(row, CPU, product, cpu * 1e6 / rate.requests);
        self.report.note(row, ("rate", "req/s"), product, rate.per_second);
        self.report.note(row, ("p50", "ms"), product, rate.p50_ms);
        self.report.note(row, ("p99", "ms"), product, rate.p99_ms);
        if rate.errors > 0.0 {
            self.report.problem(format!(
                "{row}: {}: {} of {} requests failed in a round",
                product.name(),
                rate.errors,
                rate.requests
            ));
        }
    }

    fn handshakes(&mut self, proxy: &Proxy) -> Result<()> {
        let before = proxy.server.cpu();
        let (count, per_second) = load::handshakes(self.site, proxy.ports.tls, self.pace.seconds)?;
        let cpu = proxy.server.cpu() - before;
        self.report.note("handshakes", ("cpu per handshake", "us"), proxy.product, cpu * 1e6 / count);
        self.report.note("handshakes", ("rate", "hs/s"), proxy.product, per_second);
        Ok(())
    }

    fn relay(&mut self, proxy: &Proxy, upload: bool) -> Result<()> {
        let row = if upload { "relay up" } else { "relay down" };
        let before = proxy.server.cpu();
        let seconds = load::relay(proxy.ports.relay, upload, self.pace.relayed)?;
        let cpu = proxy.server.cpu() - before;
        let gigabytes = self.pace.relayed as f64 / 1e9;
        self.report.note(row, ("cpu per GB", "s"), proxy.product, cpu / gigabytes);
        self.report.note(row, ("rate", "GB/s"), proxy.product, gigabytes / seconds);
        Ok(())
    }

    fn start(&mut self, product: Product) -> Result<()> {
        let begin = Instant::now();
        let proxy = Proxy::start(self.site, product, 0)?;
        self.report.note("start", ("time to listen", "ms"), product, millis(begin.elapsed()));
        settle();
        self.report.note("start", ("resident (PSS)", "KiB"), product, proxy.server.resident());
        Ok(())
    }

    /// A fresh process, so that no memory left from earlier work is reused.
    fn idle(&mut self, product: Product, kind: Idle) -> Result<()> {
        let proxy = if Idle::NEWER.contains(&kind) {
            Proxy::start_newer(self.site, product)?
        } else {
            Proxy::start(self.site, product, 0)?
        };
        // What is set up once, at the first request, is not part of a connection's price.
        drop(held::hold(self.site, &proxy, kind, 8)?);
        let base = settled(&proxy)?;
        let held = held::hold(self.site, &proxy, kind, self.pace.held)?;
        let full = settled(&proxy)?;
        self.report.note(kind.row(), ("resident per connection", "KiB"), product, (full - base) / held.len() as f64);
        Ok(())
    }

    fn reload(&mut self, product: Product) -> Result<()> {
        let proxy = Proxy::start(self.site, product, 0)?;
        let load = Load::start(proxy.ports.web, 8);
        let mut missed = 0;
        let mut poll_failures = 0;
        for generation in 1..=self.pace.reloads {
            let expected = if generation % 2 == 0 { "1" } else { "2" };
            let begin = Instant::now();
            proxy.reload(self.site, generation)?;
            let mut seen = false;
            while !seen && begin.elapsed() < Duration::from_secs(3) {
                match load::generation(proxy.ports.web) {
                    Ok(answer) => seen = answer == expected,
                    Err(_) => poll_failures += 1,
                }
            }
            if seen {
                self.report.note("reload", ("change to effect", "ms"), product, millis(begin.elapsed()));
            } else {
                missed += 1;
            }
            // Without a gap HAProxy was seen to miss reloads.
            pause(RELOAD_GAP);
        }
        let counts = load.finish();
        let failed = counts.failed() + poll_failures;
        self.report.note("reload", ("failed requests", "count"), product, failed as f64);
        self.report.note("reload", ("answered requests", "count"), product, counts.answered() as f64);
        if failed > 0 {
            self.report.problem(format!(
                "reload: {}: failed: {}; {poll_failures} polls",
                product.name(),
                counts.describe()
            ));
        }
        ensure!(missed == 0, "{missed} of {} reloads had no effect within 3 s", self.pace.reloads);
        Ok(())
    }

    /// Three route tables side by side; the request meets the last route of each.
    fn routes(&mut self) {
        let mut tables = Vec::new();
        for (count, row) in [(10, "10 routes"), (1_000, "1k routes"), (100_000, "100k routes")] {
            let begin = Instant::now();
            match Proxy::start(self.site, Product::Yumen, count) {
                Ok(proxy) => {
                    self.report.note(row, ("time to listen", "ms"), Product::Yumen, millis(begin.elapsed()));
                    settle();
                    self.report.note(row, ("resident (PSS)", "KiB"), Product::Yumen, proxy.server.resident());
                    tables.push((row, route_path(count - 1), proxy));
                }
                Err(error) => self.report.problem(format!("routes: {row}: {error:#}")),
            }
        }
        for _ in 0..self.pace.rounds {
            for (row, path, proxy) in &tables {
                if self.is_late() {
                    return self.report.problem("routes: cut short, the time was over".to_owned());
                }
                if let Err(error) = self.route(row, path, proxy) {
                    self.report.problem(format!("routes: {row}: {error:#}"));
                }
            }
        }
    }

    fn route(&mut self, row: &str, path: &str, proxy: &Proxy) -> Result<()> {
        let before = proxy.server.cpu();
        let rate =
            load::wrk(self.site, &format!("http://127.0.0.1:{}{path}", proxy.ports.web), "get", 64, self.pace.seconds)?;
        let cpu = proxy.server.cpu() - before;
        ensure!(rate.errors == 0.0, "{} of {} requests failed", rate.errors, rate.requests);
        self.report.note(row, CPU, Product::Yumen, cpu * 1e6 / rate.requests);
        Ok(())
    }
}

/// Whether a row is one of what came after HTTP/1.1.
fn is_newer(row: &str) -> bool {
    NEWER.contains(&row) || row == "idle newer"
}

/// Whether a product is measured in a row.
fn takes_part(product: Product, row: &str) -> bool {
    if is_newer(row) { product.speaks(row) } else { product.is_classic() }
}

/// Fills pools and caches before the first measured round.
fn warm(site: &Site, proxy: Proxy) -> Result<Proxy> {
    load::wrk(site, &format!("http://127.0.0.1:{}/small", proxy.ports.web), "get", 64, 1).context("plain HTTP")?;
    Ok(proxy)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Lets a server finish what it does after the client has its answer.
fn settle() {
    pause(Duration::from_millis(300));
}

/// Resident memory once every earlier connection has been accepted: connections are accepted in order, so an answer on
/// a new one says that those before it were.
fn settled(proxy: &Proxy) -> Result<f64> {
    load::generation(proxy.ports.web).map_err(|failure| anyhow::anyhow!("{}", failure.text()))?;
    settle();
    Ok(proxy.server.resident())
}
