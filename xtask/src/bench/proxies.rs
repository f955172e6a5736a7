//! The products under test: how each is configured and started. All do the same work: one core, a keep-alive pool to
//! the same origin, plain HTTP, HTTPS and, where the product can, a TCP relay. What they have beyond HTTP/1.1 is
//! configured in [`newer`], and only where it is measured, so that it weighs on no other figure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::newer;
use super::process::{Server, free_ports, output, words};
use crate::ci::{is_installed, is_root};

const READY: Duration = Duration::from_secs(20);
/// Where Debian puts nginx's TCP proxy (package libnginx-mod-stream).
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Yumen,
    Nginx,
    Haproxy,
    Caddy,
    /// In the rows of HTTP/2, gRPC and WebSockets only.
    Nghttpx,
}

impl Product {
    pub(crate) const ALL: [Self; 5] = [Self::Yumen, Self::Nginx, Self::Haproxy, Self::Caddy, Self::Nghttpx];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Yumen => "yumen",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Nghttpx => "nghttpx",
        }
    }

    /// The command that prints the version.
    pub(crate) fn version(self, site: &Site) -> Vec<String> {
        match self {
            Self::Yumen => vec![site.yumen.display().to_string(), "version".to_owned()],
            Self::Nginx => words(["nginx", "-v"]),
            Self::Haproxy => words(["haproxy", "-v"]),
            Self::Caddy => words(["caddy", "version"]),
            Self::Nghttpx => words(["nghttpx", "--version"]),
        }
    }

    /// Why this product cannot take part; `None` when it can.
    pub(crate) fn absence(self, site: &Site) -> Option<String> {
        match self {
            Self::Yumen if !site.yumen.is_file() => Some(format!(
                "{} does not exist: `cargo build --release`, or name it with --yumen",
                site.yumen.display()
            )),
            Self::Yumen => None,
            other if !is_installed(other.name()) => {
                Some(format!("not installed: `apt-get install {}`", other.package()))
            }
            _ => None,
        }
    }

    /// Whether it takes part in the rows of HTTP/1.1.
    pub(crate) fn is_classic(self) -> bool {
        self != Self::Nghttpx
    }

    fn package(self) -> &'static str {
        if self == Self::Nghttpx { "nghttp2-proxy" } else { self.name() }
    }

    /// Caddy has no TCP proxy of its own, and nginx only with its stream module.
    pub(crate) fn has_relay(self) -> bool {
        match self {
            Self::Caddy | Self::Nghttpx => false,
            Self::Nginx => Path::new(STREAM_MODULE).exists(),
            Self::Yumen | Self::Haproxy => true,
        }
    }

    /// Whether the product can do what a row of a newer protocol asks, in the version that Debian has.
    pub(crate) fn speaks(self, row: &str) -> bool {
        match row {
            // nginx speaks HTTP/2 with an endpoint for gRPC only.
            "h2 both" => self != Self::Nginx,
            "udp" => matches!(self, Self::Yumen) || self == Self::Nginx && self.has_relay(),
            // nginx 1.22 has no HTTP/3, and Debian's HAProxy and nghttpx are built without.
            "h3" => matches!(self, Self::Yumen | Self::Caddy),
            _ => true,
        }
    }
}

/// What all products share in one run.
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    pub(crate) yumen: PathBuf,
    /// `taskset` lists.
    pub(crate) load_cores: String,
    pub(crate) proxy_cores: String,
    pub(crate) workers: usize,
    pub(crate) access_log: bool,
    /// The origin listens twice, so that a reload can be seen to take effect: `/generation` answers 1 or 2.
    pub(crate) origin: [u16; 2],
    /// The raw TCP server behind the relays.
    pub(crate) raw: u16,
    /// What stands behind the newer protocols.
    pub(crate) newer: newer::Origins,
}

/// One product, running.
pub(crate) struct Proxy {
    pub(crate) product: Product,
    pub(crate) server: Server,
    pub(crate) ports: Ports,
    pub(crate) config: PathBuf,
}

#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) web: u16,
    pub(crate) tls: u16,
    pub(crate) relay: u16,
    admin: u16,
    pub(crate) newer: newer::Ports,
}

impl Proxy {
    /// Writes the configuration and starts the product. `routes` asks for that many routes (Yumen only; 0: just one).
    pub(crate) fn start(site: &Site, product: Product, routes: usize) -> Result<Self> {
        Self::begin(site, product, Variant { generation: 0, routes, newer: false })
    }

    /// The same with the newer protocols.
    pub(crate) fn start_newer(site: &Site, product: Product) -> Result<Self> {
        Self::begin(site, product, Variant { generation: 0, routes: 0, newer: true })
    }

    fn begin(site: &Site, product: Product, variant: Variant) -> Result<Self> {
        let [web, tls, relay, admin] = free_ports()?;
        let ports = Ports { web, tls, relay, admin, newer: newer::Ports::free()? };
        let folder = site.folder.join(format!("{}-{web}", product.name()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let config = folder.join(match product {
            Product::Yumen => "yumen.yaml",
            Product::Nginx => "nginx.conf",
            Product::Haproxy => "haproxy.cfg",
            Product::Caddy => "Caddyfile",
            Product::Nghttpx => "nghttpx.conf",
        });
        write_config(site, product, ports, &config, variant)?;
        let command = command(site, product, &folder, &config);
        let home = folder.display().to_string();
        let threads = site.workers.to_string();
        let environment =
            [("HOME", home.as_str()), ("XDG_DATA_HOME", &home), ("XDG_CONFIG_HOME", &home), ("GOMAXPROCS", &threads)];
        let mut server = Server::start(&command, &environment, &site.proxy_cores, &folder.join("output.log"))?;
        server.wait_ready(web, READY).with_context(|| format!("{} does not start", product.name()))?;
        Ok(Self { product, server, ports, config })
    }

    /// Points the product at the other origin and makes it take notice.
    pub(crate) fn reload(&self, site: &Site, generation: usize) -> Result<()> {
        write_config(site, self.product, self.ports, &self.config, Variant { generation, routes: 0, newer: false })?;
        match self.product {
            // Its file watcher sees the change.
            Product::Yumen => {}
            // What `nginx -s reload` sends, without the cost of starting a program.
            Product::Nginx | Product::Nghttpx => self.server.signal("HUP"),
            Product::Haproxy => self.server.signal("USR2"),
            Product::Caddy => {
                let (body, url) =
                    (format!("@{}", self.config.display()), format!("http://127.0.0.1:{}/load", self.ports.admin));
                output(
                    &words(["curl", "-sSf", "-H", "Content-Type: text/caddyfile", "--data-binary", &body, &url]),
                    READY,
                )?;
            }
        }
        Ok(())
    }
}

/// What differs between two configurations of one product.
#[derive(Clone, Copy)]
struct Variant {
    /// Which of the two origins is meant: even or odd.
    generation: usize,
    routes: usize,
    /// With the newer protocols.
    newer: bool,
}

fn command(site: &Site, product: Product, folder: &Path, config: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let (config, site_folder) = (config.display().to_string(), site.folder.display());
    match product {
        Product::Yumen => words([&site.yumen.display().to_string(), "run", "-c", &config]),
        Product::Nginx => words(["nginx", "-p", &folder, "-c", &config]),
        Product::Haproxy => words(["haproxy", "-W", "-db", "-f", &config]),
        Product::Caddy => words(["caddy", "run", "--adapter", "caddyfile", "--config", &config]),
        Product::Nghttpx => {
            let (conf, key, cert) =
                (format!("--conf={config}"), format!("{site_folder}/key.pem"), format!("{site_folder}/cert.pem"));
            words(["nghttpx", &conf, &key, &cert])
        }
    }
}

/// Replaces the file in one step, as an editor or a deployment tool does.
fn write_config(site: &Site, product: Product, ports: Ports, path: &Path, variant: Variant) -> Result<()> {
    let text = match product {
        Product::Yumen => yumen(site, ports, variant),
        Product::Nginx => nginx(site, ports, variant),
        Product::Haproxy => haproxy(site, ports, variant),
        Product::Caddy => caddy(site, ports, variant),
        Product::Nghttpx => newer::nghttpx(site, ports.web, ports.newer),
    };
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text).with_context(|| format!("cannot write {}", draft.display()))?;
    std::fs::rename(&draft, path).with_context(|| format!("cannot replace {}", path.display()))
}

fn yumen(site: &Site, ports: Ports, variant: Variant) -> String {
    let Ports { web, tls, relay, admin, .. } = ports;
    let origin = site.origin[variant.generation % 2];
    let folder = site.folder.display();
    let (listeners, upstreams, routes) =
        if variant.newer { newer::yumen(site, ports.newer) } else { Default::default() };
    let access = if site.access_log {
        format!("output: \"{folder}/yumen-{web}/access.log\", format: json")
    } else {
        "output: off".to_owned()
    };
    let mut text = format!(
        r#"runtime: {{ workers: {workers} }}
admin: {{ listen: "127.0.0.1:{admin}" }}
log: {{ access: {{ {access} }} }}
listeners:
  web: {{ bind: "127.0.0.1:{web}" }}
  tls: {{ bind: "127.0.0.1:{tls}", tls: {{ certificates: [ {{ cert: "{folder}/cert.pem", key: "{folder}/key.pem" }} ] }} }}
  relay: {{ bind: "127.0.0.1:{relay}", protocol: tcp, upstream: raw }}
{listeners}upstreams:
  origin: {{ endpoints: ["127.0.0.1:{origin}"], pool: {{ idle: 256 }} }}
  raw: {{ endpoints: ["127.0.0.1:{raw}"] }}
{upstreams}routes:
  all: {{ upstream: origin }}
{routes}"#,
        workers = site.workers,
        raw = site.raw,
    );
    for number in 0..variant.routes {
        text.push_str(&format!("  r{number}: {{ match: {{ path: \"{}\" }}, upstream: origin }}\n", route_path(number)));
    }
    text
}

/// The path of one of many routes. The origin answers all of them like `/small`.
pub(crate) fn route_path(number: usize) -> String {
    format!("/route/{number}/item")
}

fn nginx(site: &Site, ports: Ports, variant: Variant) -> String {
    let Ports { web, tls, relay, .. } = ports;
    let origin = site.origin[variant.generation % 2];
    let folder = site.folder.display();
    let log = if site.access_log { "access_log access.log combined buffer=64k flush=1s" } else { "access_log off" };
    let (servers, datagrams) = if variant.newer { newer::nginx(site, ports.newer) } else { Default::default() };
    let (module, stream) = if Product::Nginx.has_relay() {
        let load = format!("load_module {STREAM_MODULE};");
        (
            load,
            format!(
                "stream {{ server {{ listen 127.0.0.1:{relay}; proxy_pass 127.0.0.1:{}; }} {datagrams} }}",
                site.raw
            ),
        )
    } else {
        (String::new(), String::new())
    };
    format!(
        "{module}
{head}
http {{
  {paths}
  {log};
  keepalive_requests 1000000000; keepalive_timeout 300s;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{web} backlog=4096;
    listen 127.0.0.1:{tls} ssl backlog=4096;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
  }}
  {servers}
}}
{stream}
",
        head = nginx_head(site.workers),
        paths = NGINX_PATHS,
    )
}

/// Temporary files below the prefix, so that nothing outside the folder of the run is touched.
const NGINX_PATHS: &str =
    "client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;";

fn nginx_head(workers: usize) -> String {
    // Started by root, nginx would hand its workers to a user who may not read the folder of the run.
    let user = if is_root() { "user root;" } else { "" };
    format!(
        "{user} daemon off; pid nginx.pid; error_log error.log warn; worker_processes {workers}; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}"
    )
}

fn haproxy(site: &Site, ports: Ports, variant: Variant) -> String {
    let Ports { web, tls, relay, .. } = ports;
    let origin = site.origin[variant.generation % 2];
    let folder = site.folder.display();
    let newer = if variant.newer { newer::haproxy(site, ports.newer) } else { String::new() };
    format!(
        "global
  nbthread {workers}
  maxconn 8192
defaults
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend web
  mode http
  bind 127.0.0.1:{web} backlog 4096
  bind 127.0.0.1:{tls} ssl crt {folder}/both.pem backlog 4096
  default_backend origin
backend origin
  mode http
  http-reuse always
  server one 127.0.0.1:{origin}
listen relay
  mode tcp
  bind 127.0.0.1:{relay}
  server raw 127.0.0.1:{raw}
{newer}",
        workers = site.workers,
        raw = site.raw,
    )
}

fn caddy(site: &Site, ports: Ports, variant: Variant) -> String {
    let Ports { web, tls, admin, .. } = ports;
    let (options, sites) = if variant.newer { newer::caddy(site, ports.newer) } else { Default::default() };
    let origin = site.origin[variant.generation % 2];
    let folder = site.folder.display();
    let log = if site.access_log {
        format!("log {{\n output file {folder}/caddy-{web}/access.log\n}}")
    } else {
        String::new()
    };
    format!(
        "{{
  admin 127.0.0.1:{admin}
  auto_https off
  log default {{
    output stderr
    level ERROR
  }}
  {options}
}}
http://:{web} {{
  bind 127.0.0.1
  {log}
  reverse_proxy 127.0.0.1:{origin}
}}
https://:{tls} {{
  bind 127.0.0.1
  tls {folder}/cert.pem {folder}/key.pem
  {log}
  reverse_proxy 127.0.0.1:{origin}
}}
{sites}"
    )
}

/// Starts the origin all products share: nginx, one worker, static answers, listening on both origin ports.
pub(crate) fn start_origin(site: &Site) -> Result<Server> {
    let folder = site.folder.join("origin");
    std::fs::create_dir_all(folder.join("files/h2"))?;
    for (name, size) in [("small", 64), ("h2/small", 64), ("10k", 10 << 10), ("1m", 1 << 20)] {
        std::fs::write(folder.join("files").join(name), vec![b'x'; size])?;
    }
    let servers: String = site.origin.iter().enumerate().map(|(index, port)| origin_server(*port, index + 1)).collect();
    let text = format!(
        "{head}
http {{
  {NGINX_PATHS}
  access_log off; sendfile on; tcp_nopush on; open_file_cache max=100;
  keepalive_requests 1000000000; keepalive_timeout 300s; client_body_buffer_size 64k;
  {servers}
}}
",
        head = nginx_head(1),
    );
    let file = folder.join("origin.conf");
    std::fs::write(&file, text)?;
    let command = words(["nginx", "-p", &folder.display().to_string(), "-c", &file.display().to_string()]);
    let mut server = Server::start(&command, &[], &site.load_cores, &folder.join("output.log"))?;
    server.wait_ready(site.origin[0], READY).context("the origin does not start")?;
    Ok(server)
}

fn origin_server(port: u16, generation: usize) -> String {
    format!(
        "server {{ listen 127.0.0.1:{port} backlog=4096; root files;
    location = /post {{ return 200 \"ok\"; }}
    location = /generation {{ return 200 \"{generation}\"; }}
    location /route/ {{ return 200 \"{}\"; }}
  }}
",
        "x".repeat(64)
    )
}

/// Said in full, because openssl's own default makes an authority, which rustls refuses as a server.
const CERTIFICATE: &str = "\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
subjectAltName = DNS:localhost,IP:127.0.0.1
basicConstraints = critical,CA:FALSE
";

/// A self-signed ECDSA P-256 certificate for `localhost` and 127.0.0.1: `cert.pem`, `key.pem`, and `both.pem` for HAProxy.
pub(crate) fn write_certificate(folder: &Path) -> Result<()> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let config = folder.join("certificate.cnf");
    std::fs::write(&config, CERTIFICATE).context("cannot write certificate.cnf")?;
    let mut command = words(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.extend(words(["-nodes", "-days", "30", "-config", &config.display().to_string()]));
    command.extend(words(["-keyout", &key.display().to_string(), "-out", &cert.display().to_string()]));
    output(&command, READY).context("cannot make a certificate")?;
    let both = [std::fs::read(&cert)?, std::fs::read(&key)?].concat();
    std::fs::write(folder.join("both.pem"), both).context("cannot write both.pem")
}
