//! Group 6 of the case list of the Autobahn test suite, UTF-8: all 145 cases with their numbers. The gateway is a tunnel, so
//! what has to hold is that the peer's echo, or its close with 1007, comes back as without a gateway.

use std::net::SocketAddr;

use super::frames::{cases, closing, frame, message};
use super::{Echo, Plain, Socket, Stream, nghttpx, site};

/// κόσμε, with an accent of its own in three bytes.
const GREEK: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

/// What 6.14 sends one by one and 6.15 at once.
const CUT: [&[u8]; 10] = [
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xf8\x80\x80\x80",
    b"\xfc\x80\x80\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf7\xbf\xbf",
    b"\xfb\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf",
];

/// Groups whose texts the list spells out.
#[rustfmt::skip]
const LISTED: [(u8, &[&[u8]]); 13] = [
    (5, &[b"hello$world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld", b"hello\xf0\xa4\xad\xa2world", GREEK]),
    (7, &[b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
    (8, &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    (9, &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
    (10, &[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    (11, &[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"]),
    (14, &CUT),
    (16, &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    (
        17,
        &[b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
    ),
    (
        18,
        &[b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"],
    ),
    (
        19,
        &[b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
    ),
    (
        20,
        &[
            b"\xed\xa0\x80",
            b"\xed\xad\xbf",
            b"\xed\xae\x80",
            b"\xed\xaf\xbf",
            b"\xed\xb0\x80",
            b"\xed\xbe\x80",
            b"\xed\xbf\xbf",
        ],
    ),
    (
        21,
        &[
            b"\xed\xa0\x80\xed\xb0\x80",
            b"\xed\xa0\x80\xed\xbf\xbf",
            b"\xed\xad\xbf\xed\xb0\x80",
            b"\xed\xad\xbf\xed\xbf\xbf",
            b"\xed\xae\x80\xed\xb0\x80",
            b"\xed\xae\x80\xed\xbf\xbf",
            b"\xed\xaf\xbf\xed\xb0\x80",
            b"\xed\xaf\xbf\xed\xbf\xbf",
        ],
    ),
];

/// Groups 6.5 to 6.23; each row is one text.
fn sequences() -> Vec<(u8, Vec<Vec<u8>>)> {
    let mut all: Vec<(u8, Vec<Vec<u8>>)> =
        LISTED.iter().map(|(n, rows)| (*n, rows.iter().map(|row| row.to_vec()).collect())).collect();
    all.push((6, (1..=GREEK.len()).map(|n| GREEK[..n].to_vec()).collect()));
    // Stray continuations: 80 and bf by turns, one to six of them, and then nearly every one there is.
    let stray = [0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf];
    let strays = [vec![0x80], vec![0xbf]].into_iter().chain((2..=6).map(|n| stray[..n].to_vec()));
    all.push((12, strays.chain([(0x80..0xbf).collect()]).collect()));
    let lonely = [0xc0..0xdf_u8, 0xe0..0xef, 0xf0..0xf7, 0xf8..0xfb, 0xfc..0xfd];
    all.push((13, lonely.into_iter().map(|range| range.flat_map(|byte| [byte, b' ']).collect()).collect()));
    all.push((15, vec![CUT.concat()]));
    let text = |point: u32| char::from_u32(point).map(|c| c.to_string().into_bytes()).unwrap_or_default();
    // The last two of each plane are no characters, and valid. The list sends those of the planes from 1 on, and of 0.
    let last = (0..=16_u32).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
    all.push((22, last.map(text).collect()));
    all.push((23, (0xfff9..=0xffff).map(text).collect()));
    all.sort_by_key(|(group, _)| *group);
    all
}

/// A whole message.
struct Case {
    name: String,
    frames: Vec<u8>,
    text: Vec<u8>,
}

/// Each part in a fragment.
fn fragments<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.into_iter().collect();
    let last = parts.len() - 1;
    let first = |n| u8::from(n == 0) | if n == last { 0x80 } else { 0 };
    parts.iter().enumerate().flat_map(|(n, part)| frame(first(n), part)).collect()
}

/// All but 6.4.
fn whole() -> Vec<Case> {
    let text = "Hello-µ@ßöäüàá-UTF-8!!".as_bytes();
    let (left, right) = text.split_at("Hello-µ@ßöä".len());
    let wrong = [GREEK, b"\xed\xa0\x80edited"].concat();
    let middle: &[u8] = b"middle frame payload";
    let first = [
        ("6.1.1", vec![&b""[..]]),
        ("6.1.2", vec![b"", b"", b""]),
        ("6.1.3", vec![b"", middle, b""]),
        ("6.2.1", vec![text]),
        ("6.2.2", vec![left, right]),
        ("6.2.3", text.chunks(1).collect()),
        ("6.2.4", GREEK.chunks(1).collect()),
        ("6.3.1", vec![&wrong[..]]),
        ("6.3.2", wrong.chunks(1).collect()),
    ];
    let mut all = Vec::new();
    for (name, parts) in first {
        all.push(Case { name: name.to_owned(), text: parts.concat(), frames: fragments(parts) });
    }
    for (group, rows) in sequences() {
        for (n, text) in rows.into_iter().enumerate() {
            all.push(Case { name: format!("6.{group}.{}", n + 1), frames: message(&text), text });
        }
    }
    all
}

/// Plays a case. Of a text that is one the echo comes back and then our close; one that is none is told with 1007.
fn play(mut socket: impl Socket, case: &Case) -> Vec<u8> {
    socket.send(&case.frames);
    if std::str::from_utf8(&case.text).is_err() {
        return told(socket, &case.name);
    }
    let echo = socket.exactly(2 + case.text.len());
    assert_eq!(echo, [&[0x81, case.text.len() as u8], &case.text[..]].concat(), "{}", case.name);
    socket.send(&closing(1000));
    let end = socket.rest();
    assert_eq!(end, b"\x88\x02\x03\xe8", "{}", case.name);
    [echo, end].concat()
}

/// The close that comes by itself.
fn told(mut socket: impl Socket, name: &str) -> Vec<u8> {
    let end = socket.rest();
    assert!(end.first() == Some(&0x88) && end.get(2..4) == Some(&[0x03, 0xef]), "{name}: {end:02x?}");
    end
}

/// 6.4.1 and 6.4.2: what comes first is well, as a ping shows, and what comes second is told before the third is sent.
fn fails_fast(mut socket: impl Socket, (name, first, second): (&str, &[u8], &[u8])) -> Vec<u8> {
    socket.send(&frame(0x01, first));
    socket.send(&frame(0x89, b"well?"));
    assert_eq!(socket.exactly(7), b"\x8a\x05well?", "{name}");
    socket.send(&frame(0x00, second));
    told(socket, name)
}

fn judge(server: &Echo, to: SocketAddr) {
    let all = whole();
    assert_eq!(all.len(), 141, "the cases of the list but 6.4");
    for case in &all {
        let direct = play(Plain::open(server.addr), case);
        assert_eq!(play(Plain::open(to), case), direct, "{} over HTTP/1.1", case.name);
        assert_eq!(play(Stream::open(to), case), direct, "{} over HTTP/2", case.name);
    }
    let begun = [GREEK, b"\xf4"].concat();
    for case in [("6.4.1", GREEK, &b"\xf4\x90\x80\x80"[..]), ("6.4.2", &begun, b"\x90")] {
        let direct = fails_fast(Plain::open(server.addr), case);
        assert_eq!(fails_fast(Plain::open(to), case), direct, "{} over HTTP/1.1", case.0);
        assert_eq!(fails_fast(Stream::open(to), case), direct, "{} over HTTP/2", case.0);
    }
}

#[test]
fn texts_and_what_is_none_reach_an_endpoint_of_http_1_1() {
    let server = Echo::start();
    judge(&server, site(&format!("endpoints: [\"{}\"]", server.addr), "").addr("web"));
}

#[test]
fn texts_and_what_is_none_reach_an_endpoint_of_http_2() {
    let server = Echo::start();
    let (addr, _nghttpx) = nghttpx(server.addr);
    judge(&server, site(&format!("endpoints: [\"{addr}\"], protocol: h2c"), "").addr("web"));
}

/// What reaches the peer comes back from it, part by part: nothing is held back until a frame is whole.
fn mirrored(mut socket: impl Socket) {
    let payload = [GREEK, b"\xf4\x90\x80\x80edited"].concat();
    let whole = frame(0x81, &payload);
    // 6 bytes of head and key stand before the payload.
    for (name, ends) in [("6.4.3", [6 + 11, 6 + 15, whole.len()]), ("6.4.4", [6 + 12, 6 + 13, whole.len()])] {
        let mut at = 0;
        for end in ends {
            socket.send(&whole[at..end]);
            assert_eq!(socket.exactly(end - at), whole[at..end], "{name}");
            at = end;
        }
    }
    let groups = cases().into_iter().chain(whole_frames());
    for (name, bytes) in groups {
        for part in bytes.chunks(16_384) {
            socket.send(part);
            assert!(socket.exactly(part.len()) == part, "{name} came otherwise");
        }
    }
}

fn whole_frames() -> impl Iterator<Item = (String, Vec<u8>)> {
    whole().into_iter().map(|case| (case.name, case.frames))
}

#[test]
fn bytes_of_every_case_reach_the_peer_as_they_are_and_at_once() {
    let mirror = Echo::mirror();
    let (over_http2, _nghttpx) = nghttpx(mirror.addr);
    for upstream in
        [format!("endpoints: [\"{}\"]", mirror.addr), format!("endpoints: [\"{over_http2}\"], protocol: h2c")]
    {
        let site = site(&upstream, "");
        mirrored(Plain::open(site.addr("web")));
        mirrored(Stream::open(site.addr("web")));
    }
}
