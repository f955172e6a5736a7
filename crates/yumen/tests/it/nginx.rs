//! nginx as an origin, or as a proxy of streams.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::gateway::until;

/// Streams are a module of their own on Debian.
const MODULE: &str = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n";

/// A running nginx; it is stopped when the test ends.
pub(crate) struct Nginx {
    pub(crate) addr: SocketAddr,
    child: Child,
}

impl Nginx {
    /// Starts with some `server` blocks, in which `{addr}` is its address; files are relative to the folder.
    pub(crate) fn start(folder: &Path, servers: &str) -> Self {
        // nginx cannot tell which port it was given, so one that was free a moment ago is tried until one still is.
        until("a port for nginx", || {
            let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            Self::try_start(folder, servers, addr)
        })
    }

    /// Starts with some `server` blocks for streams, in which `{addr}` is its address.
    pub(crate) fn streaming(folder: &Path, servers: &str) -> Self {
        until("a port for nginx", || {
            let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            Self::try_start_with(folder, MODULE, &format!("stream {{\n{servers}\n}}"), addr)
        })
    }

    fn try_start(folder: &Path, servers: &str, addr: SocketAddr) -> Option<Self> {
        let http = format!(
            "http {{\n access_log off; client_body_temp_path t1; proxy_temp_path t2;\n\
             fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n{servers}\n}}"
        );
        Self::try_start_with(folder, "", &http, addr)
    }

    fn try_start_with(folder: &Path, head: &str, body: &str, addr: SocketAddr) -> Option<Self> {
        let text = format!(
            "{head}daemon off; master_process off; error_log nginx.log; pid nginx.pid;\n\
             events {{}}\n{}\n",
            body.replace("{addr}", &addr.to_string())
        );
        fs::write(folder.join("nginx.conf"), text).unwrap();
        let mut program = Command::new("nginx");
        program.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder);
        let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let up = until("nginx", || match child.try_wait().unwrap() {
            Some(_) => Some(false),
            None => TcpStream::connect(addr).ok().map(|_| true),
        });
        // Who answers may be somebody else on a port that nginx did not get; nginx has ended then.
        if up && child.try_wait().unwrap().is_none() {
            return Some(Self { addr, child });
        }
        let log = fs::read_to_string(folder.join("nginx.log")).unwrap_or_default();
        assert!(log.contains("Address already in use"), "{log}");
        None
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
