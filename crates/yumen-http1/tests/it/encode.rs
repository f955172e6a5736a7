use yumen_http1::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn lines_and_fields() {
    assert_eq!(written(|out| encode_request_line(out, b"GET", b"/a?b")), "GET /a?b HTTP/1.1\r\n");
    assert_eq!(written(|out| encode_field(out, b"A", b"b c")), "A: b c\r\n");
    assert_eq!(written(|out| encode_field(out, b"A", b"")), "A: \r\n");
    for (length, text) in [(0, "0"), (7, "7"), (10, "10"), (u64::MAX, "18446744073709551615")] {
        assert_eq!(written(|out| encode_content_length(out, length)), format!("Content-Length: {text}\r\n"));
    }
}

#[test]
fn status_lines_carry_the_registered_phrase() {
    for status in 100..600 {
        let line = written(|out| encode_status_line(out, status, None));
        assert_eq!(line, format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status)));
    }
    assert_eq!(written(|out| encode_status_line(out, 200, Some(b"Fine"))), "HTTP/1.1 200 Fine\r\n");
    assert_eq!(written(|out| encode_status_line(out, 599, None)), "HTTP/1.1 599 \r\n");
    assert_eq!(written(|out| encode_status_line(out, 7, None)), "HTTP/1.1 500 Internal Server Error\r\n");
}

#[test]
fn chunks() {
    for len in [1, 9, 15, 16, 255, 4096, 65_535, u64::MAX] {
        assert_eq!(written(|out| encode_chunk_header(out, len)), format!("{len:x}\r\n"));
    }
    assert_eq!(written(|out| encode_chunk_header(out, 0)), "", "a zero size would end the message");
    assert_eq!(written(encode_last_chunk), "0\r\n\r\n");
    assert_eq!(written(encode_chunk_end), "\r\n");
    let trailers: [(&[u8], &[u8]); 2] = [(b"A", b"b"), (b"C", b"d")];
    assert_eq!(written(|out| encode_trailers(out, trailers)), "0\r\nA: b\r\nC: d\r\n\r\n");
}
