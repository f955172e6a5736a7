//! A proxy on port 0 and origins that follow a script.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use yumen_config::config::{self, Config};
use yumen_core::Challenges;
use yumen_net::dial::Resolver;
use yumen_net::listen::ListenError;
use yumen_proxy::{Accepting, Applied, Origin, Ports, Proxy, Snapshot};
use yumen_telemetry::Registry;
use yumen_telemetry::access_log::{AccessLog, Format, Output, Rotation};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running proxy.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) control: tokio::runtime::Runtime,
    ports: Ports,
}

impl Stage {
    pub(crate) fn new(config: Config) -> Self {
        Self::accepting(Accepting::of_system(), 2, config)
    }

    /// With what a CA is shown.
    pub(crate) fn with_challenges(challenges: impl Challenges + 'static, config: Config) -> Self {
        let mut stage = Self::new(Config::default());
        stage.ports.challenges = Some(Arc::new(challenges));
        stage.apply(config);
        stage
    }

    pub(crate) fn accepting(accepting: Accepting, workers: usize, config: Config) -> Self {
        let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let registry = Arc::new(Registry::new(2));
        let rotation = Rotation { size: 0, age: Duration::ZERO, keep: 0 };
        let log = AccessLog::start(Output::Off, Format::Json, rotation).unwrap();
        let proxy = Proxy::start_accepting(accepting, workers, Arc::clone(&registry), log).unwrap();
        let resolver = control.block_on(async { Resolver::start() });
        let stage = Self { proxy, control, ports: Ports::alone(registry, Arc::new(resolver)) };
        stage.apply(config);
        stage
    }

    pub(crate) fn apply(&self, config: Config) {
        self.try_apply(config).unwrap();
    }

    pub(crate) fn try_apply(&self, config: Config) -> Result<Applied, ListenError> {
        self.control.block_on(async {
            let origin = Origin { source: "test".into(), digest: String::new() };
            let previous = self.proxy.snapshot();
            let next = Snapshot::build(Arc::new(config), origin, &self.ports, &previous).await.unwrap();
            self.proxy.apply(next, Duration::from_secs(5)).await
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.proxy.open_addresses().first().map(|open| open.local).unwrap()
    }

    /// Sends bytes, ends our side, and reads to the end.
    pub(crate) fn ask(&self, request: &[u8]) -> String {
        let mut client = self.connect();
        client.write_all(request).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        read_all(&mut client)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.addr()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.proxy.stop();
    }
}

pub(crate) fn read_all(from: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset ends the answer too: what came before it is what the client has.
    from.read_to_end(&mut all).ok();
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `end` was seen.
pub(crate) fn read_until(from: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    let mut byte = [0];
    while !all.ends_with(end.as_bytes()) && from.read(&mut byte).unwrap_or(0) == 1 {
        all.push(byte[0]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// An origin: each connection is handed to `script`; what it returns is what it saw.
pub(crate) fn origin<F>(script: F) -> (SocketAddr, Receiver<String>)
where
    F: Fn(TcpStream) -> String + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = channel();
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, tell, script) = (stream.unwrap(), tell.clone(), Arc::clone(&script));
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            std::thread::spawn(move || drop(tell.send(script(stream))));
        }
    });
    (addr, told)
}

/// An origin that answers every request on a connection with the same bytes, and tells each head it saw.
pub(crate) fn answers(answer: &'static str) -> (SocketAddr, Receiver<String>) {
    origin(move |mut stream| {
        let mut seen = String::new();
        loop {
            let head = read_until(&mut stream, "\r\n\r\n");
            if head.is_empty() {
                return seen;
            }
            seen.push_str(&head);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    })
}

pub(crate) fn listener(protocol: config::Protocol) -> config::Listener {
    config::Listener {
        name: "web".into(),
        bind: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        protocol,
        proxy_protocol: None,
        tls: None,
        limits: config::Limits::default(),
        http2: config::ListenerHttp2::default(),
        timeouts: config::ListenerTimeouts::default(),
        forwarded: config::Forwarded { emit: config::ForwardedEmit::Off, via: None, ..Default::default() },
        absolute_form: config::AbsoluteForm::default(),
        default_status: 404,
        upstream: (protocol != config::Protocol::Http).then(|| "up".into()),
        sni: Vec::new(),
        access: config::Access::default(),
        http3: None,
        udp: config::Udp::default(),
        generated_by: None,
    }
}

pub(crate) fn route(name: &str) -> config::Route {
    config::Route {
        name: name.into(),
        listeners: vec!["web".into()],
        hosts: vec![config::HostPattern::Any],
        matcher: config::Matcher::default(),
        middlewares: Vec::new(),
        upstream: Some("up".into()),
        upstream_protocol: None,
        timeouts: config::RouteTimeouts::default(),
        retry: config::Retry::default(),
        grpc: config::RouteGrpc::default(),
    }
}

pub(crate) fn upstream(endpoints: &[SocketAddr]) -> config::Upstream {
    let endpoint = |addr: &SocketAddr| config::Endpoint {
        address: addr.ip().to_string().into(),
        port: addr.port(),
        tls: false,
        weight: 1,
        text: addr.to_string().into(),
    };
    config::Upstream {
        name: "up".into(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        discover: None,
        balance: config::Balance::RoundRobin,
        health: None,
        panic_threshold: 50,
        pool: config::Pool::default(),
        protocol: config::UpstreamProtocol::Auto,
        http2: config::UpstreamHttp2::default(),
        timeouts: config::UpstreamTimeouts::default(),
        proxy_protocol: None,
        tls: config::UpstreamTls { verify: true, ..Default::default() },
        dns: config::Dns::default(),
        max_connections: None,
    }
}

/// One listener, one route, one upstream.
pub(crate) fn simple(endpoints: &[SocketAddr]) -> Config {
    of(listener(config::Protocol::Http), vec![route("all")], upstream(endpoints))
}

pub(crate) fn of(listener: config::Listener, routes: Vec<config::Route>, upstream: config::Upstream) -> Config {
    let mut config = Config::default();
    config.listeners.insert(listener.name.clone(), Arc::new(listener));
    config.routes = routes.into_iter().map(Arc::new).collect();
    config.upstreams.insert(upstream.name.clone(), Arc::new(upstream));
    config
}
