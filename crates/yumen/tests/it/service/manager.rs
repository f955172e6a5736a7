//! A service of Windows from its installation to its end.

use std::net::SocketAddr;
use std::path::PathBuf;

use yumen_net::os::windows_service::{RELOAD_CONTROL, send_control};
use yumen_net::os::windows_system::program_data;

use crate::ends::{Origin, get};
use crate::gateway::{free, text, until, yumen};

/// A service of this test's own, removed at its end.
struct Service {
    name: String,
    folder: tempfile::TempDir,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Service {
    fn install(origin: &Origin) -> Self {
        let name = format!("test-{}", std::process::id());
        let service = Self { name, folder: tempfile::tempdir().unwrap(), listen: free(), admin: free() };
        service.write(&service.config(origin));
        service.says(&["install", "-c", &service.file().to_string_lossy()], 0, "registered");
        service
    }

    fn config(&self, origin: &Origin) -> String {
        format!(
            "listeners: {{ web: {{ bind: \"{}\" }} }}\nroutes: {{ all: {{ upstream: up }} }}\n\
             upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\nadmin: {{ listen: \"{}\" }}\n\
             log: {{ access: off }}\nruntime: {{ workers: 2 }}\n",
            self.listen, origin.addr, self.admin
        )
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("yumen.yaml")
    }

    fn write(&self, config: &str) {
        std::fs::write(self.file(), config).unwrap();
    }

    fn says(&self, words: &[&str], code: i32, part: &str) {
        let (verb, rest) = words.split_first().unwrap();
        let output = yumen(&[&["service", verb, "--name", &self.name], rest].concat());
        let said = text(&output);
        assert_eq!((output.status.code(), said.contains(part)), (Some(code), true), "{part} of {words:?}: {said}");
    }

    fn home(&self) -> PathBuf {
        program_data().unwrap().join("Yumen").join(&self.name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home().join("logs").join("yumen.log")).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        yumen(&["service", "uninstall", "--name", &self.name]);
    }
}

#[test]
fn control_200_reloads_a_service_and_what_it_keeps_is_private() {
    let (one, two) = (Origin::named("one"), Origin::named("two"));
    let service = Service::install(&one);
    service.says(&["start"], 0, "runs");
    assert_eq!(get(service.listen, "/").body, "one");
    service.write(&service.config(&two));
    send_control(&format!("yumen-{}", service.name), RELOAD_CONTROL).unwrap();
    until("the other origin", || (get(service.listen, "/").body == "two").then_some(()));
    until("the control in the log", || service.log().contains("control 200").then_some(()));
    for name in ["", "admin-token", "last-good.json"] {
        assert_eq!(yumen_net::os::exposure(&service.home().join(name)).unwrap(), None, "{name}");
    }
    service.says(&["reload"], 0, "is in force");
    service.says(&["stop"], 0, "has stopped");
    // The number is taken by those that run only.
    let stopped = send_control(&format!("yumen-{}", service.name), RELOAD_CONTROL).unwrap_err();
    assert_eq!(stopped.raw_os_error(), Some(1062));
}

#[test]
fn refused_start_of_a_service_is_in_its_log_file() {
    let service = Service::install(&Origin::named("one"));
    service.write("listners: {}\n");
    service.says(&["start"], 1, "code 10");
    let log = service.log();
    assert!(log.contains("ERROR") && log.contains("listners") && log.contains("refused"), "{log}");
    service.says(&["status"], 1, "listners");
    service.says(&["uninstall"], 0, "removed");
    service.says(&["status"], 4, "not installed");
}
