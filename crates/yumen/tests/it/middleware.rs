//! Middlewares as a user meets them: written in a file, between a client and an origin that keeps what it was sent.

use crate::ends::{Client, Gate, Manner, Origin, field, get};
use crate::gateway::until;
use crate::site::Site;

/// A site whose routes are given, with the upstream `up`.
fn site(origin: &Origin, routes: &str) -> Site {
    Site::start(&config(origin, routes))
}

fn config(origin: &Origin, routes: &str) -> String {
    format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n{routes}",
        origin.addr
    )
}

/// A site with one route that has these middlewares.
fn chain(origin: &Origin, middlewares: &str) -> Site {
    site(origin, &format!("routes: {{ all: {{ upstream: up, middlewares: [{middlewares}] }} }}\n"))
}

/// The request line that came to the origin last.
fn line(origin: &Origin) -> String {
    origin.last().lines().next().unwrap().to_owned()
}

#[test]
fn request_id_is_minted_sent_on_sent_back_and_logged() {
    let origin = Origin::named("one");
    let site = chain(&origin, "request_id: {}");
    let answer = get(site.addr("web"), "/");
    let id = answer.field("x-request-id").unwrap();
    assert!(id.len() >= 16, "{id}");
    assert_eq!(field(&origin.last(), "x-request-id").unwrap(), id);
    site.wait_access(|line| line["request_id"] == id.as_str());
}

#[test]
fn request_id_of_a_client_is_taken_over_only_where_it_may_be() {
    let origin = Origin::named("one");
    let routes = "routes:\n  \
        always: { match: { path: { prefix: /always } }, upstream: up, middlewares: [request_id: { accept: true }] }\n  \
        never: { match: { path: { prefix: /never } }, upstream: up, middlewares: [request_id: { accept: false }] }\n  \
        other: { match: { path: { prefix: /other } }, upstream: up, \
                 middlewares: [request_id: { header: X-Trace, accept: true }] }\n  \
        usual: { upstream: up, middlewares: [request_id: {}] }\n";
    let site = site(&origin, routes);
    let mut client = Client::connect(site.addr("web"));
    let mut ask = |path: &str, fields: &str| {
        client.ask("GET", path, fields);
        client.answer()
    };
    let given = "X-Request-ID: from-client-1\r\n";
    assert_eq!(ask("/always", given).field("x-request-id").unwrap(), "from-client-1");
    assert_eq!(field(&origin.last(), "x-request-id").unwrap(), "from-client-1");
    for path in ["/never", "/usual"] {
        assert_ne!(ask(path, given).field("x-request-id").unwrap(), "from-client-1", "{path}");
        assert!(!origin.last().contains("from-client-1"), "{path}");
    }
    assert_eq!(ask("/other", "X-Trace: abc-123\r\n").field("x-trace").unwrap(), "abc-123");
    // What is no token could break the log or the origin: it is replaced, even from those who are believed.
    let odd = ask("/always", "X-Request-ID: <script>\"\r\n").field("x-request-id").unwrap();
    assert!(!odd.contains('<'), "{odd}");
    let long = format!("X-Request-ID: {}\r\n", "x".repeat(4000));
    assert!(ask("/always", &long).field("x-request-id").unwrap().len() < 200);
}

#[test]
fn header_edits_reach_origin_and_client() {
    let origin = Origin::named("one");
    let site = chain(
        &origin,
        "headers: { request: { set: { X-Set: new, X-Made: made }, add: { X-Add: second }, remove: [X-Gone] }, \
                    response: { set: { Server: ours }, add: { Vary: Origin }, remove: [X-Origin] } }",
    );
    let mut client = Client::connect(site.addr("web"));
    client.ask("GET", "/", "X-Set: old\r\nX-Set: older\r\nX-Add: first\r\nX-Gone: 1\r\nx-gone: 2\r\n");
    let answer = client.answer();
    let head = origin.last();
    let sent = |name| field(&head, name);
    assert_eq!((sent("x-set").as_deref(), sent("x-made").as_deref()), (Some("new"), Some("made")), "{head}");
    assert_eq!((sent("x-add").as_deref(), sent("x-gone")), (Some("first, second"), None), "{head}");
    assert_eq!(answer.field("server").as_deref(), Some("ours"));
    assert_eq!(answer.field("vary").as_deref(), Some("Origin"));
    assert_eq!(answer.field("x-origin"), None, "{}", answer.head);
}

#[test]
fn paths_are_rewritten_and_the_query_stays() {
    let origin = Origin::named("one");
    let routes = "routes:\n  \
        fixed: { match: { path: { prefix: /fixed } }, upstream: up, middlewares: [rewrite: { path: /new }] }\n  \
        regex: { match: { path: { prefix: /items } }, upstream: up, \
                 middlewares: [rewrite: { regex: '^/items/(\\w+)', replace: '/things/$1/x' }] }\n  \
        strip: { match: { path: { prefix: /v1 } }, upstream: up, middlewares: [strip_prefix: /v1] }\n";
    let site = site(&origin, routes);
    let addr = site.addr("web");
    let cases = [
        ("/fixed/a?q=1", "GET /new?q=1 HTTP/1.1"),
        ("/items/abc/d?x", "GET /things/abc/x/d?x HTTP/1.1"),
        ("/items/", "GET /items/ HTTP/1.1"),
        ("/v1/users?a=b&c", "GET /users?a=b&c HTTP/1.1"),
        ("/v1", "GET / HTTP/1.1"),
        ("/v1?q", "GET /?q HTTP/1.1"),
        ("/v1//twice", "GET //twice HTTP/1.1"),
    ];
    for (asked, sent) in cases {
        assert_eq!(get(addr, asked).status, 200, "{asked}");
        assert_eq!(line(&origin), sent, "{asked}");
    }
    assert_eq!(get(addr, "/v10").status, 404, "whole segments only");
    // The log says what was asked for, not what became of it.
    site.wait_access(|line| line["path"] == "/items/abc/d");
}

#[test]
fn redirect_and_fixed_answer_need_no_origin() {
    let origin = Origin::named("one");
    let routes = "routes:\n  \
        moved: { hosts: [example.com], middlewares: [redirect: { to: 'https://new.example{path}{query}', status: 301 }] }\n  \
        same: { hosts: [other.example], middlewares: [redirect: { to: 'https://{host}{path}{query}' }] }\n  \
        robots: { match: { path: { exact: /robots.txt } }, \
                  middlewares: [respond: { body: \"no\\n\", headers: { Cache-Control: no-store } }] }\n  \
        teapot: { match: { path: { exact: /tea } }, middlewares: [respond: { status: 418 }] }\n  \
        rest: { match: { path: { prefix: /rest } }, upstream: up }\n";
    let site = site(&origin, routes);
    let addr = site.addr("web");
    let moved = get(addr, "/a/b?c=d");
    assert_eq!((moved.status, moved.field("location").unwrap().as_str()), (301, "https://new.example/a/b?c=d"));
    let mut client = Client::connect(addr);
    let mut ask = |path: &str, host: &str| {
        client.send(format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc"));
        client.answer()
    };
    let same = ask("/x", "other.example");
    assert_eq!((same.status, same.field("location").unwrap().as_str()), (308, "https://other.example/x"));
    let robots = ask("/robots.txt", "h");
    assert_eq!((robots.status, robots.body.as_str()), (200, "no\n"));
    assert_eq!(robots.field("cache-control").as_deref(), Some("no-store"));
    // The content of the requests before was read away, so the connection goes on.
    assert_eq!(ask("/tea", "h").status, 418);
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn too_much_content_is_refused_with_413_whether_announced_or_not() {
    let origin = Origin::named("one");
    let site = chain(&origin, "body_limit: 10");
    let addr = site.addr("web");
    let send = |request: &str| {
        let mut client = Client::connect(addr);
        client.send(request);
        client.answer()
    };
    let within = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789";
    assert_eq!(send(within).status, 200);
    assert_eq!(origin.requests()[0].1, "0123456789");
    let announced = send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n0123456789a");
    assert_eq!(announced.status, 413);
    assert!(announced.body.contains("body_too_large"), "{}", announced.body);
    let chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n4\r\n6789\r\n0\r\n\r\n";
    assert_eq!(send(chunked).status, 200);
    let over = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n6789a\r\n0\r\n\r\n";
    let over = send(over);
    assert_eq!(over.status, 413, "{}", over.head);
    let late = site.wait_access(|line| line["status"] == 413 && line["bytes_in"] == 11);
    assert_eq!((late["reason"].as_str(), late["side"].as_str()), (Some("body_too_large"), Some("client")));
}

#[test]
fn clients_are_let_in_by_their_address() {
    let origin = Origin::named("one");
    let routes = "routes:\n  \
        deny: { match: { path: { prefix: /deny } }, upstream: up, middlewares: [ip: { deny: [127.0.0.0/8] }] }\n  \
        allow: { match: { path: { prefix: /allow } }, upstream: up, middlewares: [ip: { allow: [127.0.0.1/32] }] }\n  \
        both: { match: { path: { prefix: /both } }, upstream: up, \
                middlewares: [ip: { allow: [127.0.0.0/8], deny: [127.0.0.1/32] }] }\n  \
        far: { match: { path: { prefix: /far } }, upstream: up, middlewares: [ip: { allow: [10.0.0.0/8] }] }\n";
    let site = site(&origin, routes);
    let addr = site.addr("web");
    assert_eq!(get(addr, "/allow").status, 200);
    for path in ["/deny", "/both", "/far"] {
        let refused = get(addr, path);
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.body.contains("ip_denied"), "{}", refused.body);
    }
    // Nobody is trusted to say for whom it speaks, so a claim changes nothing.
    let mut client = Client::connect(addr);
    client.ask("GET", "/far", "X-Forwarded-For: 10.0.0.1\r\n");
    assert_eq!(client.answer().status, 403);
    assert_eq!(origin.requests().len(), 1);
}

// Made by `htpasswd -nbB -C 5 ada secret1`, `htpasswd -nbB -C 5 bob pass:word` and
// `printf secret2 | argon2 saltsalt -id -t 1 -m 10 -e`.
const BCRYPT: &str = "ada:$2y$05$tvvwnr/somtqMFcNdpspPeDb6n5z9CAWnbIIaJwduc3wDQylqfIKC";
const COLON: &str = "bob:$2y$05$kY4BdVZbpmIwdhZYthAoxOSG3N8RlLn8KVjI.uyWfXHm1UWxM04O2";
const ARGON: &str = "carl:$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$0imwC9jtXQz4sTRJuWoSnNnLsQlaAp1HIrQzJIgZ1lA";

fn basic(user: &str, password: &str) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut encoder =
        Command::new("openssl").args(["base64", "-A"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    encoder.stdin.take().unwrap().write_all(format!("{user}:{password}").as_bytes()).unwrap();
    let encoded = encoder.wait_with_output().unwrap().stdout;
    format!("Authorization: Basic {}\r\n", String::from_utf8(encoded).unwrap())
}

#[test]
fn a_password_that_is_slow_to_check_keeps_nobody_else_waiting() {
    let origin = Origin::named("one");
    let costly = BCRYPT.replace("$05$", "$15$");
    let routes = format!(
        "runtime: {{ workers: 1 }}\nroutes:\n  \
         locked: {{ match: {{ path: /locked }}, upstream: up, \
         middlewares: [basic_auth: {{ users: [\"${{COSTLY:-{costly}}}\"], realm: r }}] }}\n  \
         open: {{ upstream: up }}\n"
    );
    let site = site(&origin, &routes);
    let mut guess = Client::connect(site.addr("web"));
    guess.ask("GET", "/locked", &basic("ada", "guess"));
    // The one worker answers others while the check, which takes seconds, goes on.
    for _ in 0..3 {
        assert_eq!(get(site.addr("web"), "/").status, 200);
    }
    guess.stream().set_nonblocking(true).unwrap();
    let early = guess.stream().peek(&mut [0]).map_err(|e| e.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "the check was over before the others were answered");
}

#[test]
fn passwords_are_checked_and_never_shown() {
    let origin = Origin::named("one");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users"), format!("# staff\n{BCRYPT}\n\n{COLON}\n")).unwrap();
    std::fs::write(folder.path().join("more"), format!("{ARGON}\n")).unwrap();
    let routes = "routes: { all: { upstream: up, middlewares: [basic_auth: { file: users, \
                  users: [\"${file:more}\"], realm: staff }] } }\n";
    let site = Site::start_in(folder, &config(&origin, routes));
    let mut client = Client::connect(site.addr("web"));
    let mut ask = |fields: &str| {
        client.ask("GET", "/", fields);
        client.answer()
    };
    for (user, password) in [("ada", "secret1"), ("bob", "pass:word"), ("carl", "secret2"), ("ada", "secret1")] {
        assert_eq!(ask(&basic(user, password)).status, 200, "{user}");
        assert_eq!(field(&origin.last(), "authorization"), None, "the origin gets no password");
        site.wait_access(|line| line["user"] == user && line["status"] == 200);
    }
    let before = origin.requests().len();
    let wrong = [("ada", "secret2"), ("carl", "secret1"), ("nobody", "secret1"), ("ada", ""), ("", "")];
    for (user, password) in wrong {
        let refused = ask(&basic(user, password));
        assert_eq!(refused.status, 401, "{user}");
        let challenge = refused.field("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic realm=\"staff\""), "{challenge}");
    }
    for malformed in ["", "Authorization: Basic\r\n", "Authorization: Basic !!!\r\n", "Authorization: Bearer abc\r\n"] {
        assert_eq!(ask(malformed).status, 401, "{malformed}");
    }
    assert_eq!(origin.requests().len(), before);
    let missing = site.wait_access(|line| line["reason"] == "auth_required");
    assert_eq!(missing["side"], "client");
    site.wait_access(|line| line["reason"] == "auth_failed");
    let shown =
        [site.log(), format!("{:?}", site.access()), site.ask("GET /config").unwrap(), site.status().to_string()];
    for secret in ["secret1", "secret2", "pass:word", "YWRhOnNlY3JldDE", "$2y$", "$argon2"] {
        assert!(!shown.iter().any(|text| text.contains(secret)), "{secret}");
    }
}

#[test]
fn route_that_takes_too_long_is_answered_with_504() {
    let gate = Gate::default();
    let origin = Origin::start(Manner::Waits("late".into(), gate.clone()));
    let site = chain(&origin, "timeout: 200ms");
    let mut client = Client::connect(site.addr("web"));
    let late = client.get("/");
    assert_eq!((late.status, late.body.contains("request_timeout")), (504, true), "{}", late.body);
    gate.open();
    origin.set(Manner::Says(200, "quick".into()));
    assert_eq!(client.get("/").body, "quick");
    site.wait_access(|line| line["reason"] == "request_timeout" && line["status"] == 504);
}

#[test]
fn middlewares_act_in_the_order_of_the_list() {
    let origin = Origin::named("one");
    let routes = "middlewares:\n  \
        closed: { ip: { deny: [127.0.0.0/8] } }\n  \
        pass: { basic_auth: { users: ['%BCRYPT%'] } }\n  \
        hello: { respond: { body: hello } }\n  \
        mark: { headers: { response: { add: { X-Mark: outer } } } }\n  \
        inner: { headers: { response: { add: { X-Mark: inner } } } }\n\
        routes:\n  \
        first: { match: { path: { prefix: /first } }, upstream: up, middlewares: [closed, pass] }\n  \
        second: { match: { path: { prefix: /second } }, upstream: up, middlewares: [pass, closed] }\n  \
        marks: { match: { path: { prefix: /marks } }, middlewares: [mark, inner, hello] }\n  \
        paths: { match: { path: { prefix: /a/b } }, upstream: up, middlewares: [strip_prefix: /a, strip_prefix: /b] }\n  \
        twisted: { match: { path: { prefix: /b/a } }, upstream: up, middlewares: [strip_prefix: /a, strip_prefix: /b] }\n";
    let site = site(&origin, &routes.replace("%BCRYPT%", BCRYPT));
    let addr = site.addr("web");
    assert_eq!((get(addr, "/first").status, get(addr, "/second").status), (403, 401));
    assert_eq!(get(addr, "/marks").field("x-mark").as_deref(), Some("inner, outer"));
    assert_eq!((get(addr, "/a/b/c").status, line(&origin).as_str()), (200, "GET /c HTTP/1.1"));
    assert_eq!((get(addr, "/b/a/c").status, line(&origin).as_str()), (200, "GET /a/c HTTP/1.1"));
    until("the log", || (site.access().len() >= 5).then_some(()));
}
