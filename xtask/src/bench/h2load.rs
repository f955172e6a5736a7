//! The client of the rows of HTTP/2 and gRPC: `h2load` of nghttp2.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::load::Rate;
use super::newer;
use super::process::{output, words};
use super::proxies::Site;

/// Connections, and requests under way on each.
const CLIENTS: &str = "-c16";
const STREAMS: &str = "-m16";

/// GETs over HTTP/2 without TLS.
pub(crate) fn get(site: &Site, port: u16, path: &str, seconds: u64) -> Result<Rate> {
    run(site, port, path, seconds, Vec::new())
}

/// Unary calls of gRPC.
pub(crate) fn call(site: &Site, port: u16, seconds: u64) -> Result<Rate> {
    let message = site.folder.join("message");
    std::fs::write(&message, newer::grpc_message())?;
    let message = format!("--data={}", message.display());
    let options = words([&message, "-H", "content-type: application/grpc", "-H", "te: trailers"]);
    run(site, port, newer::METHOD, seconds, options)
}

fn run(site: &Site, port: u16, path: &str, seconds: u64, options: Vec<String>) -> Result<Rate> {
    let log = site.folder.join("h2load.log");
    // It appends to what is there.
    std::fs::write(&log, "")?;
    let (duration, log_file) = (format!("-D{seconds}"), format!("--log-file={}", log.display()));
    let mut command =
        words(["taskset", "-c", &site.load_cores, "h2load", "-t1", CLIENTS, STREAMS, &duration, &log_file]);
    command.extend(options);
    command.push(format!("http://127.0.0.1:{port}{path}"));
    let text = output(&command, Duration::from_secs(seconds + 15))?;
    let (requests, failed) = counts(&text).with_context(|| format!("h2load printed no result: {text}"))?;
    ensure!(requests > failed, "no request to port {port} was answered");
    let (p50_ms, p99_ms) = percentiles(&log)?;
    Ok(Rate {
        requests: requests - failed,
        per_second: (requests - failed) / seconds as f64,
        p50_ms,
        p99_ms,
        errors: failed,
    })
}

/// "requests: 100 total, 100 started, 100 done, 99 succeeded, 1 failed, 0 errored, 0 timeout" and "status codes: 99 2xx, …":
/// how many were done, and how many of them were not answered with 2xx.
fn counts(text: &str) -> Option<(f64, f64)> {
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let number = |line: &str, name: &str| {
        line.split(", ").find_map(|part| part.trim().strip_suffix(name)?.trim().parse::<f64>().ok())
    };
    let done = number(line("requests: ")?, " done")?;
    let good = number(line("status codes: ")?, " 2xx")?;
    Some((done, (done - good).max(0.0)))
}

/// Median and 99th percentile of the times in a log of h2load, in ms: its third column is in microseconds.
fn percentiles(log: &Path) -> Result<(f64, f64)> {
    let text = std::fs::read_to_string(log).context("h2load left no log")?;
    let mut times: Vec<u64> = text.lines().filter_map(|line| line.split('\t').nth(2)?.trim().parse().ok()).collect();
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1))).copied();
    Ok((at(50).unwrap_or(0) as f64 / 1e3, at(99).unwrap_or(0) as f64 / 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_other_than_2xx_are_failures() {
        let text = "finished in 2.00s, 50 req/s\n\
            requests: 100 total, 116 started, 100 done, 98 succeeded, 2 failed, 0 errored, 0 timeout\n\
            status codes: 98 2xx, 0 3xx, 1 4xx, 1 5xx\n";
        assert_eq!(counts(text), Some((100.0, 2.0)));
        assert_eq!(counts("no answer"), None);
    }
}
