//! How each product is configured for what came after HTTP/1.1: HTTP/2 on either side, HTTP/3, gRPC, WebSockets, UDP.
//! A port of its own for each, since not every product can have several on one; and a path of its own, since nghttpx
//! chooses its endpoints by path only.

use std::time::Duration;

use anyhow::{Context, Result};

use super::process::{Server, free_ports, words};
use super::proxies::Site;

/// Where a proxy listens.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// HTTP/2 without TLS from clients, HTTP/1.1 to the origin.
    pub(crate) h2: u16,
    /// The same with TLS, and HTTP/3 where the product speaks it.
    pub(crate) h2_tls: u16,
    /// HTTP/2 without TLS on both sides.
    pub(crate) h2_both: u16,
    pub(crate) grpc: u16,
    pub(crate) websocket: u16,
    pub(crate) udp: u16,
}

impl Ports {
    pub(crate) fn free() -> Result<Self> {
        let [h2, h2_tls, h2_both, grpc, websocket, udp] = free_ports()?;
        Ok(Self { h2, h2_tls, h2_both, grpc, websocket, udp })
    }
}

/// Where the servers behind the proxies listen.
#[derive(Clone, Copy)]
pub(crate) struct Origins {
    /// nghttpd with the files of the origin, over HTTP/2 without TLS.
    pub(crate) h2: u16,
    /// nghttpd that answers every call with the same message.
    pub(crate) grpc: u16,
    pub(crate) websocket: u16,
    pub(crate) udp: u16,
}

/// The method that is called. nghttpd serves a file of that name, whose ending says its type.
pub(crate) const METHOD: &str = "/bench.Echo/Say.grpc";
/// A file that the HTTP/2 origin has.
pub(crate) const H2_FILE: &str = "/h2/small";
pub(crate) const WEBSOCKET_PATH: &str = "/socket";

/// One message of gRPC with 32 bytes in it.
pub(crate) fn grpc_message() -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 32];
    message.resize(5 + 32, b'm');
    message
}

/// Starts the origin of HTTP/2. nginx would be the bottleneck there.
pub(crate) fn start_h2_origin(site: &Site) -> Result<Server> {
    let (folder, port) = (site.folder.join("origin/files"), site.newer.h2.to_string());
    let command =
        words(["nghttpd", "--no-tls", "--address=127.0.0.1", "--htdocs", &folder.display().to_string(), &port]);
    let mut server = Server::start(&command, &[], &site.load_cores, &site.folder.join("nghttpd.log"))?;
    server.wait_ready(site.newer.h2, Duration::from_secs(20)).context("nghttpd does not start")?;
    Ok(server)
}

/// Starts the origin of gRPC: nghttpd with a file for an answer, and the status as its trailer.
pub(crate) fn start_grpc_origin(site: &Site) -> Result<Server> {
    let folder = site.folder.join("calls");
    std::fs::create_dir_all(folder.join("bench.Echo"))?;
    std::fs::write(folder.join(METHOD.trim_start_matches('/')), grpc_message())?;
    let types = folder.join("mime.types");
    std::fs::write(&types, "application/grpc grpc\n")?;
    let (port, types) = (site.newer.grpc.to_string(), format!("--mime-types-file={}", types.display()));
    let folder_name = folder.display().to_string();
    let mut command = words(["nghttpd", "--no-tls", "--address=127.0.0.1", "--trailer", "grpc-status: 0"]);
    command.extend(words(["--no-content-length", "--htdocs", &folder_name, &types, &port]));
    let mut server = Server::start(&command, &[], &site.load_cores, &folder.join("output.log"))?;
    server.wait_ready(site.newer.grpc, Duration::from_secs(20)).context("nghttpd does not start")?;
    Ok(server)
}

/// Listeners, upstreams, routes.
pub(crate) fn yumen(site: &Site, ports: Ports) -> (String, String, String) {
    let Ports { h2, h2_tls, h2_both, grpc, websocket, udp } = ports;
    let folder = site.folder.display();
    let clear =
        |name: &str, port: u16| format!("  {name}: {{ bind: \"127.0.0.1:{port}\", http2: {{ cleartext: true }} }}\n");
    let mut listeners = clear("h2", h2) + &clear("both", h2_both) + &clear("grpc", grpc);
    listeners += &format!(
        "  socket: {{ bind: \"127.0.0.1:{websocket}\" }}
  h2tls: {{ bind: \"127.0.0.1:{h2_tls}\", http3: true, tls: {{ certificates: [ {{ cert: \"{folder}/cert.pem\", key: \"{folder}/key.pem\" }} ] }} }}
  datagrams: {{ bind: \"127.0.0.1:{udp}\", protocol: udp, upstream: datagrams }}
"
    );
    let origins = site.newer;
    let upstreams = format!(
        "  h2: {{ endpoints: [\"127.0.0.1:{}\"], protocol: h2c }}
  grpc: {{ endpoints: [\"127.0.0.1:{}\"], protocol: h2c }}
  socket: {{ endpoints: [\"127.0.0.1:{}\"] }}
  datagrams: {{ endpoints: [\"127.0.0.1:{}\"] }}
",
        origins.h2, origins.grpc, origins.websocket, origins.udp
    );
    let route = |name: &str, path: &str| format!("  {name}: {{ match: {{ path: \"{path}\" }}, upstream: {name} }}\n");
    (listeners, upstreams, route("h2", H2_FILE) + &route("grpc", METHOD) + &route("socket", WEBSOCKET_PATH))
}

/// Servers of `http`, and of `stream`.
pub(crate) fn nginx(site: &Site, ports: Ports) -> (String, String) {
    let Ports { h2, h2_tls, grpc, websocket, udp, .. } = ports;
    let (folder, origins) = (site.folder.display(), site.newer);
    let http = format!(
        "server {{
    listen 127.0.0.1:{h2} http2 backlog=4096;
    listen 127.0.0.1:{h2_tls} ssl http2 backlog=4096;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
  }}
  upstream calls {{ server 127.0.0.1:{grpc_origin}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{grpc} http2 backlog=4096; location / {{ grpc_pass grpc://calls; }} }}
  server {{
    listen 127.0.0.1:{websocket} backlog=4096;
    location / {{
      proxy_pass http://127.0.0.1:{websocket_origin}; proxy_http_version 1.1; proxy_read_timeout 300s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }}
  }}",
        grpc_origin = origins.grpc,
        websocket_origin = origins.websocket,
    );
    let stream =
        format!("server {{ listen 127.0.0.1:{udp} udp; proxy_pass 127.0.0.1:{}; proxy_timeout 60s; }}", origins.udp);
    (http, stream)
}

pub(crate) fn haproxy(site: &Site, ports: Ports) -> String {
    let Ports { h2, h2_tls, h2_both, grpc, websocket, .. } = ports;
    let (folder, origins) = (site.folder.display(), site.newer);
    format!(
        "frontend h2
  mode http
  bind 127.0.0.1:{h2} proto h2 backlog 4096
  bind 127.0.0.1:{h2_tls} ssl crt {folder}/both.pem alpn h2,http/1.1 backlog 4096
  default_backend origin
listen both
  mode http
  bind 127.0.0.1:{h2_both} proto h2 backlog 4096
  http-reuse always
  server one 127.0.0.1:{} proto h2
listen grpc
  mode http
  bind 127.0.0.1:{grpc} proto h2 backlog 4096
  http-reuse always
  server one 127.0.0.1:{} proto h2
listen socket
  mode http
  timeout tunnel 300s
  bind 127.0.0.1:{websocket} backlog 4096
  server one 127.0.0.1:{}
",
        origins.h2, origins.grpc, origins.websocket
    )
}

/// Global options, and sites.
pub(crate) fn caddy(site: &Site, ports: Ports) -> (String, String) {
    let Ports { h2, h2_tls, h2_both, grpc, websocket, .. } = ports;
    let (folder, origin, origins) = (site.folder.display(), site.origin[0], site.newer);
    let clear = |port: u16, to: String| format!("http://:{port} {{\n  bind 127.0.0.1\n  reverse_proxy {to}\n}}\n");
    let sites = clear(h2, format!("127.0.0.1:{origin}"))
        + &clear(h2_both, format!("h2c://127.0.0.1:{}", origins.h2))
        + &clear(grpc, format!("h2c://127.0.0.1:{}", origins.grpc))
        + &clear(websocket, format!("127.0.0.1:{}", origins.websocket));
    let tls = format!(
        "https://:{h2_tls} {{\n  bind 127.0.0.1\n  tls {folder}/cert.pem {folder}/key.pem\n  reverse_proxy 127.0.0.1:{origin}\n}}\n"
    );
    ("servers {\n    protocols h1 h2 h2c h3\n  }".to_owned(), sites + &tls)
}

pub(crate) fn nghttpx(site: &Site, web: u16, ports: Ports) -> String {
    let Ports { h2, h2_tls, h2_both, grpc, websocket, .. } = ports;
    let origins = site.newer;
    let mut text: String =
        [web, h2, h2_both, grpc, websocket].map(|port| format!("frontend=127.0.0.1,{port};no-tls\n")).concat();
    text += &format!(
        "frontend=127.0.0.1,{h2_tls}
backend=127.0.0.1,{};/
backend=127.0.0.1,{};{H2_FILE};proto=h2
backend=127.0.0.1,{};{METHOD};proto=h2
backend=127.0.0.1,{};{WEBSOCKET_PATH}
workers={}
backlog=4096
no-ocsp=yes
no-server-push=yes
frontend-http2-read-timeout=300s
frontend-read-timeout=300s
backend-read-timeout=300s
backend-keep-alive-timeout=60s
",
        site.origin[0], origins.h2, origins.grpc, origins.websocket, site.workers
    );
    text
}
