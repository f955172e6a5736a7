//! Health checks by `grpc.health.v1.Health/Check`.

use super::peer::{Server, config, run, run_as};
use crate::authority::Authority;
use crate::gateway::until;
use crate::site::Site;

/// A configuration with a check for its upstream, and more keys of that.
fn checked(config: &str, service: &str, more: &str) -> String {
    let health = format!("health: {{ grpc: {{{service}}}, interval: 100ms, timeout: 100ms, rise: 1, fall: 1 }}");
    let checked = config.replace("\"] }", &format!("\"], {health}, panic_threshold: 0%{more} }}"));
    assert!(checked.contains("fall: 1"), "{checked}");
    checked
}

fn wait_healthy(site: &Site, endpoint: &str, healthy: bool) {
    let series = format!("yumen_endpoint_healthy{{upstream=\"up\",endpoint=\"{endpoint}\"}}");
    until("the verdict", || (site.metric(&series) == f64::from(u8::from(healthy))).then_some(()));
}

#[test]
fn endpoint_is_given_calls_while_it_says_that_it_serves() {
    let server = Server::start();
    let name = server.addr.to_string();
    let site = Site::start(&checked(&config(server.addr), "", ""));
    wait_healthy(&site, &name, true);
    run(site.addr("web"), "-", &["empty_unary"]);
    run(server.addr, "-", &["set_health:=2"]);
    wait_healthy(&site, &name, false);
    assert_eq!(run(site.addr("web"), "-", &["fails"]), "UNAVAILABLE reason: no_healthy_endpoint");
    assert!(site.log().contains("the health service says NotServing"), "{}", site.log());
    run(server.addr, "-", &["set_health:=1"]);
    wait_healthy(&site, &name, true);
}

#[test]
fn service_that_is_asked_for_may_ail_alone_and_must_be_known() {
    let server = Server::start();
    let name = server.addr.to_string();
    let site = Site::start(&checked(&config(server.addr), " service: t.Test ", ""));
    wait_healthy(&site, &name, true);
    run(server.addr, "-", &["set_health:t.Test=0"]);
    wait_healthy(&site, &name, false);
    run(server.addr, "-", &["set_health:t.Test=1"]);
    wait_healthy(&site, &name, true);
    site.change(&checked(&config(server.addr), " service: t.Nobody ", ""));
    until("what is wrong", || site.log().contains("answered with grpc-status 5 unknown service").then_some(()));
}

#[test]
fn endpoint_with_tls_is_asked_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("app", "app", &["app.example"]);
    let server = Server::secure(folder.path(), "app");
    let ca = folder.path().join("ca.pem").to_string_lossy().into_owned();
    let secure = config(server.addr).replace("[\"127.0.0.1", "[\"https://127.0.0.1");
    let secure = checked(&secure, "", ", tls: { ca: ca.pem, sni: app.example }");
    let site = Site::start_in(folder, &secure);
    run(site.addr("web"), "-", &["empty_unary"]);
    let target = std::net::SocketAddr::from(([127, 0, 0, 1], server.addr.port()));
    let tell = |status: &str, healthy: bool| {
        run_as("app.example", target, &ca, &[&format!("set_health:={status}")]);
        wait_healthy(&site, &target.to_string(), healthy);
    };
    tell("2", false);
    tell("1", true);
}
