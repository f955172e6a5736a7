//! `yumen explain`: the way of one request, without traffic.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use yumen_core::ExplainRequest;
use yumen_net::dial::Resolver;
use yumen_proxy::{Origin, Ports, Snapshot};
use yumen_telemetry::Registry;

use super::{Format, Target};

/// Say which listener, route and upstream a request would meet, and why each nearer route does not take it.
#[derive(Args)]
pub(super) struct Explain {
    #[command(flatten)]
    target: Target,
    /// The method, such as GET
    method: String,
    /// An absolute URL, such as <http://example.com/v1/x>
    url: String,
    /// A header field, such as 'Accept: text/html'; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The client's address [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    source: Option<IpAddr>,
    /// The certificate the client shows, a PEM file; it is not verified [default: none]
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// The listener to ask [default: the one the URL's scheme and port name]
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Ask the running gateway instead of a file; shows health too
    #[arg(long)]
    live: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Explain {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let request = self.request()?;
        let answer = if self.live {
            let client = self.target.client(false)?;
            super::block_on(async { Ok(client.explain(&request).await?) })?
        } else {
            let path = self.target.config.as_deref().context("name a file with -c, or ask what runs with --live")?;
            let wish = crate::compose::load_for_use(path).map_err(|found| super::refusal(&found))?;
            super::block_on(from_file(wish, &request))?
        };
        match self.format {
            Format::Json => super::print_json(&answer),
            Format::Text => super::print(&readable(&answer)),
        }
    }

    fn request(&self) -> anyhow::Result<ExplainRequest> {
        let field = |text: &String| {
            let (name, value) = text.split_once(':').with_context(|| format!("{text} is not NAME: VALUE"))?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        };
        Ok(ExplainRequest {
            method: self.method.clone(),
            url: self.url.clone(),
            fields: self.headers.iter().map(field).collect::<anyhow::Result<_>>()?,
            source: self.source,
            client_cert: self.client_cert.as_deref().map(read).transpose()?,
            listener: self.listener.clone(),
        })
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

async fn from_file(wish: crate::compose::Wish, request: &ExplainRequest) -> anyhow::Result<Value> {
    let ports = Ports::alone(Arc::new(Registry::new(1)), Arc::new(Resolver::start()));
    let origin = Origin { source: wish.name, digest: wish.digest };
    let snapshot = Snapshot::build(wish.config, origin, &ports, &Snapshot::empty()).await?;
    yumen_proxy::explain(&snapshot, request, false).map_err(anyhow::Error::msg)
}

/// Writing to a `String` cannot fail, so the results of `write!` carry nothing.
fn readable(answer: &Value) -> String {
    let mut out = String::new();
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let request = &answer["request"];
    _ = writeln!(
        out,
        "request   {} {}{} from {}",
        word(&request["method"]),
        word(&request["host"]),
        word(&request["target"]),
        word(&request["client"])
    );
    if let Some(subject) = request["client_cert"].as_str() {
        _ = writeln!(out, "          with the certificate of {subject}");
    }
    if let Some(kind) = request["call"].as_str() {
        _ = writeln!(out, "          a call of {kind}");
    }
    let listener = &answer["listener"];
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(word).collect::<Vec<_>>();
    _ = writeln!(
        out,
        "listener  {} on {} ({})",
        word(&listener["name"]),
        texts(&listener["bind"]).join(", "),
        word(&listener["why"])
    );
    if let Some(by) = listener["generated_by"].as_str() {
        _ = writeln!(out, "          made by accelerator {by}");
    }
    let versions = texts(&listener["versions"]);
    if versions.iter().any(|version| version != "HTTP/1.1") {
        _ = writeln!(out, "          clients may speak {}", versions.join(", "));
    }
    let proxies = texts(&listener["proxy_protocol"]);
    if !proxies.is_empty() {
        _ = writeln!(out, "          the client is whom a PROXY header names; only {} may connect", proxies.join(", "));
    }
    match listener["client_certificate"].as_str() {
        Some("required") => _ = writeln!(out, "          the client must show a certificate for this host"),
        Some("optional") => _ = writeln!(out, "          the client may show a certificate for this host"),
        _ => {}
    }
    if let Some(refuses) = listener["refuses"].as_str() {
        _ = writeln!(out, "          the connection is closed: {refuses}");
    }
    for refused in answer["refused"].as_array().into_iter().flatten() {
        _ = writeln!(out, "  not     {} ({})", word(&refused["route"]), word(&refused["pattern"]));
        for why in texts(&refused["why"]) {
            _ = writeln!(out, "            {why}");
        }
    }
    if let Some(more @ 1..) = answer["more_refused"].as_u64() {
        _ = writeln!(out, "  not     {more} more that fail as the last ones do");
    }
    let route = &answer["route"];
    if route["name"].is_null() {
        _ = writeln!(out, "route     none: {}", word(&route["why"]));
        upstream(&mut out, &route["upstream"]);
        return out;
    }
    _ = writeln!(out, "route     {} ({})", word(&route["name"]), word(&route["pattern"]));
    for middleware in route["middlewares"].as_array().into_iter().flatten() {
        let (name, kind) = (word(&middleware["name"]), word(&middleware["kind"]));
        // One that is written in its route is named by its kind.
        match name.ends_with(&format!("/{kind}")) {
            true => _ = writeln!(out, "  through {kind}"),
            false => _ = writeln!(out, "  through {name} ({kind})"),
        }
    }
    for fact in texts(&route["call"]) {
        _ = writeln!(out, "  call    {fact}");
    }
    upstream(&mut out, &route["upstream"]);
    out
}

fn upstream(out: &mut String, upstream: &Value) {
    if upstream.is_null() {
        return;
    }
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let spoken = upstream["protocol"].as_str().filter(|protocol| *protocol != "auto");
    let header = upstream["proxy_protocol"].as_str().map(|version| format!("PROXY {version}"));
    let spoken: String =
        spoken.map(str::to_owned).into_iter().chain(header).map(|protocol| format!(", {protocol}")).collect();
    _ = writeln!(out, "upstream  {} ({}{spoken})", word(&upstream["name"]), word(&upstream["balance"]));
    for e in upstream["endpoints"].as_array().into_iter().flatten() {
        let health = match e["healthy"].as_bool() {
            Some(true) => ", healthy",
            Some(false) => ", unhealthy",
            None => "",
        };
        _ = writeln!(out, "  to      {} (weight {}{health})", word(&e["address"]), e["weight"]);
    }
}
