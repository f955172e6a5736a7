//! `yumen service` on a root of its own, and its unit as systemd's own tools see it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::gateway::{free, text, yumen};

const CONFIG: &str = "listeners: { web: { bind: \"127.0.0.1:8080\" } }\nroutes: { all: { upstream: up } }\n\
                      upstreams: { up: { endpoints: [\"127.0.0.1:3000\"] } }\n";

/// A root of the file system with one configuration.
struct Root(tempfile::TempDir);

impl Root {
    fn new(config: &str) -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(root.path("etc/yumen")).unwrap();
        std::fs::write(root.path("etc/yumen/yumen.yaml"), config).unwrap();
        root
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.0.path().join(rest)
    }

    fn service(&self, words: &[&str]) -> Output {
        let root = self.0.path().to_string_lossy().into_owned();
        yumen(&[&["service"], words, &["--root", &root]].concat())
    }

    fn install(&self, words: &[&str]) -> Output {
        self.service(&[&["install", "-c", "/etc/yumen/yumen.yaml"], words].concat())
    }

    fn unit(&self, id: &str) -> PathBuf {
        self.path(&format!("etc/systemd/system/{id}.service"))
    }
}

fn analyze(words: &[&str], unit: &Path) -> String {
    let output = Command::new("systemd-analyze").arg("--no-pager").args(words).arg(unit).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// What `systemd-analyze security` says of a unit: 0 is best, 10 is worst.
fn exposure(unit: &Path) -> String {
    let shown = analyze(&["security", "--offline=yes"], unit);
    let (_, rest) = shown.split_once("Overall exposure level for").unwrap_or_else(|| panic!("{shown}"));
    rest.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn unit_pleases_systemd_and_is_as_closed_as_the_guide_says() {
    let root = Root::new(CONFIG);
    let done = root.install(&[]);
    assert!(done.status.success(), "{}", text(&done));
    assert_eq!(analyze(&["verify"], &root.unit("yumen")), "");
    let plain = exposure(&root.unit("yumen"));
    std::fs::write(root.path("etc/yumen/yumen.yaml"), CONFIG.replace(":8080", ":80")).unwrap();
    assert!(root.install(&["--name", "low"]).status.success());
    assert_eq!(analyze(&["verify"], &root.unit("yumen-low")), "");
    let low = exposure(&root.unit("yumen-low"));
    let guide = include_str!("../../../../../docs/guide/service.md");
    for (score, what) in [(&plain, "from port 1024 up"), (&low, "with a port below 1024")] {
        let line = format!("| {what} | {score} |");
        assert!(guide.contains(&line), "the guide lacks {line:?}");
        assert!(score.parse::<f64>().unwrap() < 2.0, "{line}");
    }
}

#[test]
fn several_services_stand_side_by_side_and_leave_one_by_one() {
    let root = Root::new(CONFIG);
    assert!(root.install(&[]).status.success());
    assert!(root.install(&["--name", "edge"]).status.success());
    // Once more is how it is changed.
    assert!(root.install(&["--name", "edge", "--account", "www-data"]).status.success());
    let edge = std::fs::read_to_string(root.unit("yumen-edge")).unwrap();
    assert!(edge.contains("\nUser=www-data\n") && edge.contains("\nStateDirectory=yumen-edge\n"), "{edge}");
    assert!(edge.contains(" service run --name edge --config \"/etc/yumen/yumen.yaml\""), "{edge}");
    let wanted = root.path("etc/systemd/system/multi-user.target.wants/yumen-edge.service");
    assert!(wanted.symlink_metadata().is_ok());
    let status = text(&root.service(&["status", "--name", "edge"]));
    assert!(status.contains("yumen-edge") && status.contains("/etc/yumen/yumen.yaml"), "{status}");
    assert!(root.service(&["uninstall", "--name", "edge"]).status.success());
    assert!(!root.unit("yumen-edge").exists() && wanted.symlink_metadata().is_err());
    assert!(root.unit("yumen").exists());
    assert_eq!(root.service(&["status", "--name", "edge"]).status.code(), Some(4));
}

#[test]
fn unit_of_somebody_else_is_neither_replaced_nor_removed() {
    let root = Root::new(CONFIG);
    std::fs::create_dir_all(root.path("etc/systemd/system")).unwrap();
    std::fs::write(root.unit("yumen"), "[Service]\nExecStart=/bin/true\n").unwrap();
    for done in [root.install(&[]), root.service(&["uninstall"])] {
        assert!(!done.status.success() && text(&done).contains("not written by"), "{}", text(&done));
    }
    assert!(std::fs::read_to_string(root.unit("yumen")).unwrap().contains("/bin/true"));
}

#[test]
fn unit_of_a_package_is_known_and_not_removed() {
    let root = Root::new(CONFIG);
    let missing = root.service(&["status"]);
    assert_eq!(missing.status.code(), Some(4), "{}", text(&missing));
    assert!(root.install(&[]).status.success());
    let packaged = root.path("usr/lib/systemd/system/yumen.service");
    std::fs::create_dir_all(packaged.parent().unwrap()).unwrap();
    std::fs::rename(root.unit("yumen"), &packaged).unwrap();
    let known = root.service(&["status"]);
    assert!(text(&known).contains("/etc/yumen/yumen.yaml"), "{}", text(&known));
    assert_eq!(root.service(&["uninstall"]).status.code(), Some(1));
    assert!(packaged.exists());
}

#[test]
fn broken_configuration_is_not_installed() {
    let root = Root::new("listners: {}\n");
    let done = root.install(&[]);
    assert!(!done.status.success() && text(&done).contains("listners"), "{}", text(&done));
    assert!(!root.unit("yumen").exists());
}

#[test]
fn dry_run_shows_the_unit_and_writes_nothing() {
    let root = Root::new(CONFIG);
    let done = root.install(&["--dry-run"]);
    assert!(done.status.success() && text(&done).contains("DynamicUser=yes"), "{}", text(&done));
    assert!(!root.path("etc/systemd").exists());
}

#[test]
fn what_the_service_could_not_read_or_write_is_told_at_once() {
    let root = Root::new(&format!("{CONFIG}log: {{ access: {{ output: /srv/logs/a.log }} }}\n"));
    std::fs::set_permissions(root.path("etc/yumen/yumen.yaml"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    let told = text(&root.install(&[]));
    assert!(told.contains("/srv/logs cannot be written") && told.contains("/var/log/yumen"), "{told}");
    assert!(told.contains("/etc/yumen/yumen.yaml is closed to the service's own account"), "{told}");
    let told = text(&root.install(&["--account", "www-data"]));
    assert!(!told.contains("warning"), "{told}");
    assert!(std::fs::read_to_string(root.unit("yumen")).unwrap().contains("\nReadWritePaths=\"/srv/logs\"\n"));
}

#[test]
fn configuration_that_services_do_not_see_is_refused() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let file = folder.path().join("yumen.yaml");
    std::fs::write(&file, CONFIG).unwrap();
    let done = yumen(&["service", "install", "--dry-run", "-c", &file.to_string_lossy()]);
    assert!(!done.status.success() && text(&done).contains("which services do not see"), "{}", text(&done));
}

#[test]
fn order_that_fails_names_the_command_that_failed() {
    let done = yumen(&["service", "start", "--name", "nobody-has-this-name"]);
    let told = text(&done);
    assert!(!done.status.success() && told.contains("systemctl start yumen-nobody-has-this-name.service"), "{told}");
    assert!(told.contains("not installed"), "{told}");
}

/// Runs the program as its service manager does, until it ends by itself.
fn run(config: &str) -> (Option<i32>, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yumen.yaml");
    std::fs::write(&file, config).unwrap();
    let mut program = Command::new(crate::gateway::PROGRAM);
    program.args(["service", "run", "--name", "edge", "-c"]).arg(&file).env("STATE_DIRECTORY", folder.path());
    let output = program.output().unwrap();
    (output.status.code(), text(&output), folder)
}

#[test]
fn refused_configuration_ends_a_service_with_a_number_and_a_story() {
    let (code, said, folder) = run("listners: {}\n");
    assert_eq!(code, Some(10), "{said}");
    let story = std::fs::read_to_string(folder.path().join("last-failure.txt")).unwrap();
    assert!(story.contains("listners") && said.contains("listners"), "{story}");
}

#[test]
fn address_in_use_ends_a_service_with_another_number() {
    let taken = std::net::TcpListener::bind(free()).unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, said, folder) = run(&CONFIG.replace("127.0.0.1:8080", &addr));
    assert_eq!(code, Some(11), "{said}");
    let story = std::fs::read_to_string(folder.path().join("last-failure.txt")).unwrap();
    assert!(story.contains(&addr) && story.contains("another process holds"), "{story}");
}
