//! Programs of others: finds them, starts them, ends them.

use std::env::consts::EXE_SUFFIX;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use yumen_test::{Program, until};

use crate::gateway::PROGRAM;

/// A command for a program of others.
///
/// Panics when it is missing, and names the Debian package that has it.
pub(crate) fn command(name: &str, package: &str) -> Command {
    let has = |folder: &Path| folder.join(format!("{name}{EXE_SUFFIX}")).is_file();
    if std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| has(&folder))) {
        return Command::new(name);
    }
    // nginx stands where only administrators look.
    let administrators = Path::new("/usr/sbin");
    assert!(has(administrators), "this test needs the program {name}: install the Debian package {package}");
    Command::new(administrators.join(name))
}

/// The gateway in front of one origin.
pub(crate) fn gateway(origin: SocketAddr, listener: &str) -> Program {
    let config = format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\"{listener} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{origin}\"] }} }}\n"
    );
    Program::start(PROGRAM, &config)
}

/// What a program said, when it went well.
pub(crate) fn said(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}

/// A server of others, with a folder that it serves. It is killed when it is dropped.
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    pub(crate) addr: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts a server that cannot be asked for port 0: on a port that was free a moment ago, and on another when
    /// somebody was faster.
    pub(crate) fn start(folder: TempDir, mut command: impl FnMut(&Path, SocketAddr) -> Command) -> Self {
        for _ in 0..5 {
            let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let log = std::fs::File::create(folder.path().join("server.log")).unwrap();
            let mut program = command(folder.path(), addr);
            program.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            let mut child = program.spawn().unwrap();
            let ready = until("the server", || match child.try_wait().unwrap() {
                Some(_) => Some(false),
                None => TcpStream::connect(addr).is_ok().then_some(true),
            });
            // Whoever took the port answers too, while our server falls.
            if ready && child.try_wait().unwrap().is_none() {
                return Self { folder, addr, child };
            }
        }
        let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
        panic!("the server does not start:\n{log}");
    }

    /// Writes a file that it serves.
    pub(crate) fn serve(&self, name: &str, content: &[u8]) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// nginx in one process, with the body of its `server` section.
pub(crate) fn nginx(server: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder, |folder, addr| {
        // Paths are relative to the folder that `-p` names.
        let config = format!(
            "daemon off; master_process off; pid pid; error_log stderr;\n\
             events {{ worker_connections 64; }}\n\
             http {{\n\
               access_log off;\n\
               client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .;\n\
               uwsgi_temp_path .; scgi_temp_path .;\n\
               server {{ listen {addr}; root .;\n{server}\n}}\n\
             }}\n"
        );
        std::fs::write(folder.join("nginx.conf"), config).unwrap();
        let mut program = command("nginx", "nginx");
        program.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(folder.join("nginx.conf"));
        program
    })
}
