//! nginx and python's http.server behind the gateway, curl in front of it.

use yumen_test::Program;

use super::tool::{Server, command, gateway, nginx};

fn curl(gateway: &Program, arguments: &[&str], path: &str) -> Vec<u8> {
    let url = format!("http://{}{path}", gateway.listener("web"));
    let output = command("curl", "curl").args(["-sS", "--max-time", "30"]).args(arguments).arg(url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(gateway: &Program, arguments: &[&str], path: &str) -> String {
    String::from_utf8_lossy(&curl(gateway, arguments, path)).into_owned()
}

/// Bytes that repeat only after a long while.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(step).collect()
}

#[test]
fn nginx_is_asked_over_one_kept_connection() {
    // $connection_requests counts the requests of one connection.
    let server = nginx("location / { return 200 $connection_requests; }");
    let gateway = {
        let config = format!(
            "runtime: {{ workers: 1 }}\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
             routes: {{ all: {{ upstream: up }} }}\nupstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
            server.addr
        );
        Program::start(crate::gateway::PROGRAM, &config)
    };
    for count in 1..=5 {
        assert_eq!(text(&gateway, &[], "/"), count.to_string());
    }
}

#[test]
fn nginx_sends_the_file_that_is_compressed_already() {
    // The gateway says Via, and then nginx compresses only when it may.
    let server = nginx("gzip_static on; gzip_proxied any;");
    server.serve("page.txt", b"plain");
    // The bytes need not be gzip: nobody on the way may look into them.
    let packed = noise(5000);
    server.serve("page.txt.gz", &packed);
    let gateway = gateway(server.addr, "");
    assert_eq!(curl(&gateway, &[], "/page.txt"), b"plain");
    let head = text(&gateway, &["-I", "-H", "Accept-Encoding: gzip"], "/page.txt");
    assert!(head.contains("Content-Encoding: gzip\r\n") && head.contains("Content-Length: 5000\r\n"), "{head}");
    assert_eq!(curl(&gateway, &["-H", "Accept-Encoding: gzip"], "/page.txt"), packed);
}

#[test]
fn nginx_answers_304_and_206_and_416() {
    let server = nginx("");
    server.serve("page.txt", b"0123456789");
    let gateway = gateway(server.addr, "");
    let first = text(&gateway, &["-i"], "/page.txt");
    let tag = first.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap().trim();
    let field = format!("If-None-Match: {tag}");
    let both = text(&gateway, &["-i", "-H", &field], "/page.txt");
    assert!(both.starts_with("HTTP/1.1 304 Not Modified\r\n") && both.ends_with("\r\n\r\n"), "{both}");
    assert_eq!(text(&gateway, &["-r", "2-4"], "/page.txt"), "234");
    let beyond = text(&gateway, &["-i", "-r", "20-30"], "/page.txt");
    assert!(beyond.starts_with("HTTP/1.1 416 "), "{beyond}");
}

#[test]
fn large_file_of_nginx_arrives_whole() {
    let server = nginx("");
    let content = noise(20 * 1024 * 1024);
    server.serve("large", &content);
    let gateway = gateway(server.addr, "");
    assert!(curl(&gateway, &[], "/large") == content, "the file has changed on the way");
    assert!(curl(&gateway, &["--http1.0"], "/large") == content, "the file has changed on the way");
}

#[test]
fn nginx_sends_chunks_and_gets_chunks() {
    // Server-side includes have no length, and neither has what is compressed on the way.
    let server =
        nginx("ssi on; ssi_types text/plain; gzip on; gzip_types text/plain; gzip_min_length 1; gzip_proxied any;");
    server.serve("page.txt", "word ".repeat(2000).as_bytes());
    let gateway = gateway(server.addr, "");
    let answer = text(&gateway, &["-i"], "/page.txt");
    assert!(answer.contains("Transfer-Encoding: chunked\r\n"), "{answer}");
    assert_eq!(answer.matches("word ").count(), 2000);
    let packed = text(&gateway, &["-i", "--compressed"], "/page.txt");
    assert!(packed.contains("Content-Encoding: gzip\r\n") && packed.matches("word ").count() == 2000, "{packed}");
}

#[test]
fn nginx_takes_an_upload_in_chunks() {
    let server = nginx("location / { dav_methods PUT; client_max_body_size 10m; }");
    let content = noise(3 * 1024 * 1024);
    let gateway = gateway(server.addr, "");
    let file = gateway.folder().join("upload");
    std::fs::write(&file, &content).unwrap();
    let file = file.to_string_lossy().into_owned();
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    let chunked = [&status[..], &["-H", "Transfer-Encoding: chunked", "-T", &file]].concat();
    assert_eq!(text(&gateway, &chunked, "/one"), "201");
    assert_eq!(text(&gateway, &[&status[..], &["-T", &file]].concat(), "/two"), "201");
    for name in ["one", "two"] {
        assert!(std::fs::read(server.folder.path().join(name)).unwrap() == content, "{name} has changed on the way");
    }
}

#[test]
fn refusal_of_a_large_upload_by_nginx_reaches_curl() {
    let server = nginx("location / { dav_methods PUT; client_max_body_size 1k; }");
    let gateway = gateway(server.addr, "");
    let file = gateway.folder().join("upload");
    std::fs::write(&file, noise(2 * 1024 * 1024)).unwrap();
    let answer = text(&gateway, &["-i", "-H", "Expect:", "-T", &file.to_string_lossy()], "/one");
    assert!(answer.contains("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn python_serves_files_as_http_1_0() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.txt"), "from python").unwrap();
    let server = Server::start(folder, |folder, addr| {
        let mut python = command("python3", "python3");
        python
            .args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arg(folder)
            .arg(addr.port().to_string());
        python
    });
    let gateway = gateway(server.addr, "");
    let answer = text(&gateway, &["-i"], "/page.txt");
    // Python ends its connection behind each answer; the client's goes on.
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("from python"), "{answer}");
    assert!(!answer.contains("Connection: close"), "{answer}");
    assert!(text(&gateway, &["-I"], "/page.txt").contains("Content-Length: 11\r\n"));
    assert!(text(&gateway, &["-i"], "/nothing").starts_with("HTTP/1.1 404 "));
    let post = text(&gateway, &["-i", "-d", "x"], "/page.txt");
    assert!(post.starts_with("HTTP/1.1 501 "), "{post}");
}

#[test]
fn missing_program_is_named_with_its_package() {
    let missing = std::panic::catch_unwind(|| command("no-such-program", "some-package"));
    let text = missing.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(*text, "this test needs the program no-such-program: install the Debian package some-package");
}
