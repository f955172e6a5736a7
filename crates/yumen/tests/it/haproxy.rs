//! HAProxy in front of the gateway or behind it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::gateway::until;

/// A running HAProxy; it is stopped when the test ends.
pub(crate) struct Haproxy {
    pub(crate) addr: SocketAddr,
    child: Child,
}

impl Haproxy {
    /// Starts with some sections, in which `{addr}` is its address; files are relative to the folder.
    pub(crate) fn start(folder: &Path, sections: &str) -> Self {
        // It is told its port, so one that was free a moment ago is tried until one still is.
        until("a port for haproxy", || {
            let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            Self::try_start(folder, sections, addr)
        })
    }

    fn try_start(folder: &Path, sections: &str, addr: SocketAddr) -> Option<Self> {
        let text = format!(
            "global\n  nbthread 1\n\
             defaults\n  mode http\n  timeout connect 10s\n  timeout client 30s\n  timeout server 30s\n{}\n",
            sections.replace("{addr}", &addr.to_string())
        );
        let name = format!("haproxy-{}", addr.port());
        let (config, log) = (folder.join(format!("{name}.cfg")), folder.join(format!("{name}.log")));
        fs::write(&config, text).unwrap();
        let mut program = Command::new("haproxy");
        program.arg("-C").arg(folder).arg("-f").arg(&config).stdout(Stdio::null());
        let mut child = program.stderr(File::create(&log).unwrap()).spawn().unwrap();
        let up = until("haproxy", || match child.try_wait().unwrap() {
            Some(_) => Some(false),
            None => TcpStream::connect(addr).ok().map(|_| true),
        });
        // Who answers may be somebody else on a port that it did not get; it has ended then.
        if up && child.try_wait().unwrap().is_none() {
            return Some(Self { addr, child });
        }
        let said = fs::read_to_string(log).unwrap_or_default();
        assert!(said.contains("cannot bind") || said.contains("in use"), "{said}");
        None
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
