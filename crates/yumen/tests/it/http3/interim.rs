//! Informational answers over HTTP/3 (RFC 9114 section 4.1).

use std::io::Write;
use std::sync::mpsc;

use yumen_test::PATIENCE;

use super::{Client, answer, config, send};
use crate::authority::Authority;
use crate::ends::{Origin, accept, listen};
use crate::site::Site;

#[test]
fn early_hints_reach_the_client_before_the_answer() {
    let (listener, addr) = listen();
    let (go, wait) = mpsc::channel::<()>();
    let origin = std::thread::spawn(move || {
        let mut client = accept(&listener);
        client.head();
        let mut stream = client.stream();
        for n in 0..3 {
            write!(stream, "HTTP/1.1 103 Early Hints\r\nLink: </{n}.css>; rel=preload\r\n\r\n").unwrap();
            wait.recv_timeout(PATIENCE).expect("the client has the hint");
        }
        write!(stream, "HTTP/1.1 103 Early Hints\r\nLink: </last.css>\r\n\r\n").unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("one", "one", &["one.test"]);
    let other = Origin::named("unused");
    let text = config(&other, "true", "").replace(&other.addr.to_string(), &addr.to_string());
    let site = Site::start_in(folder, &text);
    let mut client = Client::connect(&site);
    let asked = async {
        let mut stream = send(&mut client.requests, ("GET", "https://one.test/"), &[], b"").await.unwrap();
        let mut links = Vec::new();
        for n in 0..4 {
            let head = stream.recv_response().await.unwrap();
            assert_eq!(head.status(), 103);
            links.push(head.headers()["link"].to_str().unwrap().to_owned());
            if n < 3 {
                go.send(()).unwrap();
            }
        }
        (links, answer(&mut stream).await.unwrap())
    };
    let asked = async { tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time") };
    let (links, got) = client.runtime.block_on(asked);
    assert_eq!(links[0], "</0.css>; rel=preload");
    assert_eq!(links[3], "</last.css>");
    assert_eq!((got.status, got.body.as_slice()), (200, &b"hello"[..]));
    assert!(!got.fields.contains_key("link"), "{:?}", got.fields);
    origin.join().unwrap();
}
