//! What RFC 9113 asks of the receiver of frames: bytes in, what has to come out, one case a line. The sections are those of
//! RFC 9113 unless another one is named.

use yumen_test::{Frame, Http2, Program, block, frame, status};

use crate::gateway::PROGRAM;

/// What has to come of the bytes.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// The connection ends with GOAWAY and one of these codes.
    Away(&'static [u32]),
    /// The stream is reset with one of these codes, and the connection goes on.
    Reset(u32, &'static [u32]),
    /// The stream is reset, or for its sake the connection ended (section 5.4.1 allows that; the `h2` crate does so where
    /// HPACK gives what can be no field).
    Malformed(u32),
    /// The stream is answered, and the connection goes on.
    Status(u32, u16),
    /// Nothing of note: the connection goes on.
    Fine,
}
use Want::{Away, Fine, Malformed, Reset, Status};

/// Codes of section 7. Where a table allows PROTOCOL beside the code of the section, the `h2` crate knows no better one.
const PROTOCOL: u32 = 1;
const FLOW: u32 = 3;
const CLOSED: u32 = 5;
const SIZE: u32 = 6;
const REFUSED: u32 = 7;
const COMPRESSION: u32 = 9;

type Case = (&'static str, Vec<u8>, Want);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;

const END: u8 = 1;
const WHOLE: u8 = 4;
const PADDED: u8 = 8;

type Fields<'a> = &'a [(&'a str, &'a str)];

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")];

/// A block of a GET with more fields.
fn get(more: Fields<'_>) -> Vec<u8> {
    block(&[&GET, more].concat())
}

/// A whole request without content.
fn request(stream: u32, fields: Fields<'_>) -> Vec<u8> {
    frame(HEADERS, END | WHOLE, stream, &block(fields))
}

/// A GET with more fields.
fn asks(stream: u32, more: Fields<'_>) -> Vec<u8> {
    frame(HEADERS, END | WHOLE, stream, &get(more))
}

/// A GET whose last field has these bytes for a name and a value.
fn raw(name: &[u8], value: &[u8]) -> Vec<u8> {
    frame(HEADERS, END | WHOLE, 1, &[get(&[]), block(&[(name, value)])].concat())
}

/// A POST to an origin that never answers, whose content follows.
fn posts(stream: u32, more: Fields<'_>) -> Vec<u8> {
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", "h"), (":path", "/hang")];
    frame(HEADERS, WHOLE, stream, &block(&[&post, more].concat()))
}

/// A request with one of GET's pseudo fields replaced or, with `None`, left out.
fn instead(name: &str, value: Option<&str>) -> Vec<u8> {
    let fields: Vec<_> = GET.iter().filter_map(|(n, v)| Some((*n, if *n == name { value? } else { *v }))).collect();
    request(1, &fields)
}

fn of(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn number(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

/// A gateway that answers everything itself but `/hang`, and the place of its listener.
fn stage() -> (Program, std::net::TcpListener) {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "listeners:\n  web: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true, max_concurrent_streams: 5, \
         initial_window: 64KiB, connection_window: 64KiB }} }}\n\
         routes:\n  all: {{ middlewares: [respond: {{ status: 200, body: \"here\" }}] }}\n  \
         hang: {{ match: {{ path: /hang }}, upstream: silent }}\n\
         upstreams: {{ silent: {{ endpoints: [\"{}\"] }} }}\n",
        silent.local_addr().unwrap()
    );
    (Program::start(PROGRAM, &config), silent)
}

/// Plays every case on a connection of its own, and tells of all that went wrong.
fn judge(cases: Vec<Case>) {
    let (program, _silent) = stage();
    let addr = program.listener("web");
    let wrong: Vec<String> = cases
        .into_iter()
        .filter_map(|(name, bytes, want)| {
            let mut client = Http2::open(addr);
            client.send(&bytes);
            let problem = check(&mut client, want).err()?;
            Some(format!("{name}: wanted {want:?}, {problem}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(client: &mut Http2, want: Want) -> Result<(), String> {
    let mark = *b"the mark";
    client.send(&frame(PING, 0, 0, &mark));
    let (mut found, mut alive) = (false, false);
    let mut seen = Vec::new();
    loop {
        let next = client.read();
        match (&next, want) {
            (Ok(Frame { kind: GOAWAY, .. }), Away(codes)) => {
                let code = next.as_ref().ok().and_then(Frame::code).unwrap_or(u32::MAX);
                return if codes.contains(&code) { Ok(()) } else { Err(format!("got GOAWAY {code}")) };
            }
            (Ok(frame @ Frame { kind: GOAWAY, .. }), Malformed(_)) if frame.code() == Some(PROTOCOL) => return Ok(()),
            (Ok(frame @ Frame { kind: RST, .. }), Malformed(stream)) if frame.stream == stream => found = true,
            (Ok(frame @ Frame { kind: RST, .. }), Reset(stream, codes)) if frame.stream == stream => {
                let code = frame.code().unwrap_or(u32::MAX);
                if !codes.contains(&code) {
                    return Err(format!("got a reset with {code}"));
                }
                found = true;
            }
            (Ok(frame @ Frame { kind: HEADERS, .. }), Status(stream, code)) if frame.stream == stream => {
                match status(&frame.payload) {
                    Some(got) if got == code => found = true,
                    got => return Err(format!("got status {got:?}")),
                }
            }
            (Ok(Frame { kind: PING, flags: 1, payload, .. }), _) if payload[..] == mark => alive = true,
            (Ok(Frame { kind: GOAWAY, .. }), _) => return Err(format!("got {next:?} after {seen:?}")),
            (Ok(_), _) => {}
            (Err(end), _) => return Err(format!("the connection is {end:?} after {seen:?}")),
        }
        seen.extend(next);
        if alive && (found || matches!(want, Fine)) {
            return Ok(());
        }
    }
}

#[test]
#[rustfmt::skip]
fn frames_have_the_sizes_and_streams_of_their_types() {
    let big = vec![0; 16385];
    judge(vec![
        ("4.1 unknown type on the connection", frame(0xbe, 0xff, 0, b"??"), Fine),
        ("4.1 unknown type on a stream", of(&[&frame(0xbe, 0, 1, b"??"), &asks(1, &[])]), Status(1, 200)),
        ("4.1 unknown flags", frame(PING, 0x16, 0, b"12345678"), Fine),
        ("4.1 reserved bit of a stream", frame(HEADERS, END | WHOLE, 0x8000_0001, &get(&[])), Status(1, 200)),
        ("4.2 DATA too large", of(&[&posts(1, &[]), &frame(DATA, 0, 1, &big)]), Away(&[SIZE])),
        ("4.2 HEADERS too large", frame(HEADERS, END | WHOLE, 1, &big), Away(&[SIZE])),
        ("4.2 unknown type too large", frame(0xbe, 0, 0, &big), Away(&[SIZE])),
        ("4.2 largest DATA", of(&[&posts(1, &[]), &frame(DATA, 0, 1, &big[1..])]), Fine),
        ("6.1 DATA on the connection", frame(DATA, 0, 0, b"x"), Away(&[PROTOCOL])),
        ("6.1 padding as long as the frame", of(&[&posts(1, &[]), &frame(DATA, PADDED, 1, b"\x04abc")]), Away(&[PROTOCOL])),
        ("6.1 padding longer than the frame", of(&[&posts(1, &[]), &frame(DATA, PADDED, 1, b"\xffabc")]), Away(&[PROTOCOL])),
        ("6.1 padded without a length", of(&[&posts(1, &[]), &frame(DATA, PADDED, 1, b"")]), Away(&[PROTOCOL, SIZE])),
        ("6.1 padded well", of(&[&posts(1, &[]), &frame(DATA, PADDED, 1, b"\x02a\0\0")]), Fine),
        ("6.2 HEADERS on the connection", frame(HEADERS, END | WHOLE, 0, &get(&[])), Away(&[PROTOCOL])),
        ("6.2 HEADERS padded too far", frame(HEADERS, END | WHOLE | PADDED, 1, b"\xff\x82\x84"), Away(&[PROTOCOL])),
        ("6.2 HEADERS padded without a length", frame(HEADERS, END | WHOLE | PADDED, 1, b""), Away(&[PROTOCOL, SIZE])),
        ("6.2 HEADERS padded well", frame(HEADERS, END | WHOLE | PADDED, 1, &of(&[b"\x01", &get(&[]), b"\0"])), Status(1, 200)),
        ("6.2 HEADERS with a priority", frame(HEADERS, END | WHOLE | 0x20, 1, &of(&[&[0, 0, 0, 0, 9], &get(&[])[..]])), Status(1, 200)),
        ("6.2 HEADERS with half a priority", frame(HEADERS, END | WHOLE | 0x20, 1, &[0, 0, 0]), Away(&[PROTOCOL, SIZE])),
        ("6.3 PRIORITY on the connection", frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 1]), Away(&[PROTOCOL])),
        ("6.3 PRIORITY of 4 bytes", of(&[&posts(1, &[]), &frame(PRIORITY, 0, 1, &[0; 4])]), Away(&[SIZE])),
        ("6.3 PRIORITY of 6 bytes", of(&[&posts(1, &[]), &frame(PRIORITY, 0, 1, &[0; 6])]), Away(&[SIZE])),
        ("6.3 PRIORITY on an idle stream", frame(PRIORITY, 0, 7, &[0, 0, 0, 0, 1]), Fine),
        ("6.4 RST_STREAM on the connection", frame(RST, 0, 0, &[0; 4]), Away(&[PROTOCOL])),
        ("6.4 RST_STREAM of 3 bytes", of(&[&posts(1, &[]), &frame(RST, 0, 1, &[0; 3])]), Away(&[SIZE])),
        ("6.4 RST_STREAM of 5 bytes", of(&[&posts(1, &[]), &frame(RST, 0, 1, &[0; 5])]), Away(&[SIZE])),
        ("6.4 RST_STREAM with an unknown code", of(&[&posts(1, &[]), &frame(RST, 0, 1, &[9; 4])]), Fine),
        ("6.6 PUSH_PROMISE of a client", of(&[&posts(1, &[]), &frame(PUSH, WHOLE, 1, &of(&[&number(2), &get(&[])]))]), Away(&[PROTOCOL])),
        ("6.7 PING on a stream", frame(PING, 0, 1, &[0; 8]), Away(&[PROTOCOL])),
        ("6.7 PING of 7 bytes", frame(PING, 0, 0, &[0; 7]), Away(&[SIZE])),
        ("6.7 PING of 9 bytes", frame(PING, 0, 0, &[0; 9]), Away(&[SIZE])),
        ("6.7 PING that answers nothing", frame(PING, 1, 0, &[7; 8]), Fine),
        ("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8]), Away(&[PROTOCOL])),
        ("6.8 GOAWAY of 7 bytes", frame(GOAWAY, 0, 0, &[0; 7]), Away(&[SIZE, PROTOCOL])),
        ("6.9 WINDOW_UPDATE of 3 bytes", frame(WINDOW, 0, 0, &[1; 3]), Away(&[SIZE])),
        ("6.9 WINDOW_UPDATE of 5 bytes", frame(WINDOW, 0, 0, &[1; 5]), Away(&[SIZE])),
        ("6.10 CONTINUATION on the connection", frame(CONTINUATION, WHOLE, 0, &get(&[])), Away(&[PROTOCOL])),
    ]);
}

#[test]
#[rustfmt::skip]
fn settings_are_taken_as_a_whole_or_refused() {
    judge(vec![
        ("6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1, &[0; 6]), Away(&[PROTOCOL])),
        ("6.5 SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5]), Away(&[SIZE])),
        ("6.5 acknowledgement with content", frame(SETTINGS, 1, 0, &[0; 6]), Away(&[SIZE])),
        ("6.5 nothing in it", frame(SETTINGS, 0, 0, b""), Fine),
        ("6.5.2 ENABLE_PUSH 0", setting(2, 0), Fine),
        ("6.5.2 ENABLE_PUSH 1", setting(2, 1), Fine),
        ("6.5.2 ENABLE_PUSH 2", setting(2, 2), Away(&[PROTOCOL])),
        ("6.5.2 INITIAL_WINDOW_SIZE too large", setting(4, 1 << 31), Away(&[FLOW, PROTOCOL])),
        ("6.5.2 INITIAL_WINDOW_SIZE at its most", setting(4, (1 << 31) - 1), Fine),
        ("6.5.2 MAX_FRAME_SIZE too small", setting(5, 16383), Away(&[PROTOCOL])),
        ("6.5.2 MAX_FRAME_SIZE too large", setting(5, 1 << 24), Away(&[PROTOCOL])),
        ("6.5.2 MAX_FRAME_SIZE at its least", setting(5, 16384), Fine),
        ("6.5.2 MAX_FRAME_SIZE at its most", setting(5, (1 << 24) - 1), Fine),
        ("6.5.2 MAX_CONCURRENT_STREAMS 0", of(&[&setting(3, 0), &asks(1, &[])]), Status(1, 200)),
        ("6.5.2 MAX_HEADER_LIST_SIZE", setting(6, 100), Fine),
        ("6.5.2 unknown identifier", setting(0xabcd, 7), Fine),
        ("RFC 8441 ENABLE_CONNECT_PROTOCOL of a client", setting(8, 1), Fine),
        ("RFC 8441 ENABLE_CONNECT_PROTOCOL 2", setting(8, 2), Away(&[PROTOCOL])),
        ("6.5.3 the last value counts", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1, 0, 4, 0, 0, 9, 9]), Fine),
    ]);
}

#[test]
fn settings_are_acknowledged_and_pings_answered_in_order() {
    let (program, _silent) = stage();
    let mut client = Http2::open(program.listener("web"));
    client.send(&of(&[
        &setting(3, 9),
        &frame(PING, 0, 0, b"one two!"),
        &setting(3, 8),
        &frame(PING, 0, 0, b"3 4 5 6!"),
    ]));
    let frames = client.until("the second answer", |f| f.kind == PING && f.payload == b"3 4 5 6!");
    let acknowledged = frames.iter().filter(|f| f.kind == SETTINGS && f.flags == 1 && f.payload.is_empty()).count();
    let answered: Vec<_> = frames.iter().filter(|f| f.kind == PING && f.flags == 1).map(|f| &f.payload[..]).collect();
    assert_eq!((acknowledged, answered), (2, vec![&b"one two!"[..], b"3 4 5 6!"]));
}

#[test]
fn connection_begins_as_section_3_4_says() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let (program, _silent) = stage();
    let addr = program.listener("web");
    // The preface is known in whatever pieces it comes.
    let mut client = Http2::connect(addr);
    for byte in of(&[PREFACE, &frame(SETTINGS, 0, 0, b""), &asks(1, &[])]) {
        client.send(&[byte]);
    }
    assert_eq!(client.answer(1), (200, b"here".to_vec()));
    // What is not quite it is a request of HTTP/1.1, and a wrong one.
    let mut other = Http2::connect(addr);
    other.send(b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n");
    let (answer, _) = other.peer.read(9);
    assert_eq!(answer, b"HTTP/1.1 ");
    let mut early = Http2::connect(addr);
    early.send(&of(&[PREFACE, &frame(PING, 0, 0, b"too soon")]));
    let away = early.until("the end", |f| f.kind == GOAWAY);
    assert_eq!(away.last().and_then(Frame::code), Some(PROTOCOL));
}

#[test]
#[rustfmt::skip]
fn header_blocks_are_contiguous_and_well_compressed() {
    let whole = get(&[]);
    let (first, second) = whole.split_at(9);
    let cut = |flags: u8| frame(HEADERS, flags, 1, first);
    let rest = frame(CONTINUATION, WHOLE, 1, second);
    judge(vec![
        ("4.3 block in two frames", of(&[&cut(END), &rest]), Status(1, 200)),
        ("4.3 block in four frames", of(&[&frame(HEADERS, END, 1, &whole[..1]), &frame(CONTINUATION, 0, 1, &whole[1..3]), &frame(CONTINUATION, 0, 1, b""), &frame(CONTINUATION, WHOLE, 1, &whole[3..])]), Status(1, 200)),
        ("6.2 another frame in the middle", of(&[&cut(END), &frame(PING, 0, 0, &[0; 8]), &rest]), Away(&[PROTOCOL])),
        ("6.2 SETTINGS in the middle", of(&[&cut(END), &frame(SETTINGS, 0, 0, b""), &rest]), Away(&[PROTOCOL])),
        ("6.2 DATA in the middle", of(&[&cut(0), &frame(DATA, 0, 1, b"x"), &rest]), Away(&[PROTOCOL])),
        ("6.2 HEADERS of another stream in the middle", of(&[&cut(END), &asks(3, &[])]), Away(&[PROTOCOL])),
        ("6.2 unknown type in the middle", of(&[&cut(END), &frame(0xbe, 0, 1, b""), &rest]), Away(&[PROTOCOL])),
        ("6.10 CONTINUATION of another stream", of(&[&cut(END), &frame(CONTINUATION, WHOLE, 3, second)]), Away(&[PROTOCOL])),
        ("6.10 CONTINUATION behind a whole block", of(&[&posts(1, &[]), &frame(CONTINUATION, WHOLE, 1, &whole)]), Away(&[PROTOCOL])),
        ("6.10 CONTINUATION out of nothing", frame(CONTINUATION, WHOLE, 1, &whole), Away(&[PROTOCOL])),
        ("6.10 CONTINUATION behind DATA", of(&[&posts(1, &[]), &frame(DATA, 0, 1, b"x"), &frame(CONTINUATION, WHOLE, 1, &whole)]), Away(&[PROTOCOL])),
        ("RFC 7541 6.1 index 0", frame(HEADERS, END | WHOLE, 1, b"\x80"), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 2.3.3 index beyond the tables", frame(HEADERS, END | WHOLE, 1, &of(&[&whole, b"\xff\x20"])), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 5.2 string cut off", frame(HEADERS, END | WHOLE, 1, b"\x00\x09abc"), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 5.1 number cut off", frame(HEADERS, END | WHOLE, 1, b"\xff"), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 5.1 number without end", frame(HEADERS, END | WHOLE, 1, &[&[0xff][..], &[0x80; 12]].concat()), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 5.2 padding of Huffman's code longer than 7 bits", frame(HEADERS, END | WHOLE, 1, &of(&[&whole, b"\x00\x81x\x82\x1f\xff"])), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 5.2 end of string in Huffman's code", frame(HEADERS, END | WHOLE, 1, &of(&[&whole, b"\x00\x01x\x84\xff\xff\xff\xff"])), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 6.3 table larger than allowed", frame(HEADERS, END | WHOLE, 1, &of(&[b"\x3f\xe2\x1f", &whole])), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 4.2 table changed behind a field", frame(HEADERS, END | WHOLE, 1, &of(&[&whole, b"\x20"])), Away(&[COMPRESSION, PROTOCOL])),
        ("RFC 7541 4.2 table emptied", frame(HEADERS, END | WHOLE, 1, &of(&[b"\x20", &whole])), Status(1, 200)),
        ("RFC 7541 6.2.1 field that is indexed and used again", of(&[&frame(HEADERS, END | WHOLE, 1, &of(&[&whole, b"\x40\x01x\x01y"])), &frame(HEADERS, END | WHOLE, 3, &of(&[&whole, b"\xbe"]))]), Status(3, 200)),
        ("RFC 7541 6.2.3 field that is never indexed", frame(HEADERS, END | WHOLE, 1, &of(&[&whole, b"\x10\x01x\x01y"])), Status(1, 200)),
        ("RFC 7541 6.1 fields of the static table", frame(HEADERS, END | WHOLE, 1, b"\x82\x86\x84\x41\x01h"), Status(1, 200)),
    ]);
}

#[test]
#[rustfmt::skip]
fn streams_go_through_their_states_and_no_others() {
    let ended = || asks(1, &[]);
    let reset = frame(RST, 0, 1, &[0, 0, 0, 8]);
    let hang = || [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/hang")];
    judge(vec![
        ("5.1 DATA on an idle stream", frame(DATA, END, 1, b"x"), Away(&[PROTOCOL])),
        ("5.1 RST_STREAM on an idle stream", frame(RST, 0, 1, &[0; 4]), Away(&[PROTOCOL])),
        ("5.1 WINDOW_UPDATE on an idle stream", frame(WINDOW, 0, 1, &number(1)), Away(&[PROTOCOL])),
        ("5.1 DATA behind the end", of(&[&request(1, &hang()), &frame(DATA, 0, 1, b"x")]), Away(&[CLOSED, PROTOCOL])),
        ("5.1 HEADERS behind the end", of(&[&request(1, &hang()), &ended()]), Away(&[CLOSED, PROTOCOL])),
        ("5.1 WINDOW_UPDATE behind the end", of(&[&request(1, &hang()), &frame(WINDOW, 0, 1, &number(1))]), Fine),
        ("5.1 PRIORITY behind the end", of(&[&request(1, &hang()), &frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])]), Fine),
        ("5.1 RST_STREAM behind a reset", of(&[&posts(1, &[]), &reset, &reset]), Fine),
        ("5.1 WINDOW_UPDATE behind a reset", of(&[&posts(1, &[]), &reset, &frame(WINDOW, 0, 1, &number(1))]), Fine),
        ("5.1 other streams behind a reset", of(&[&posts(1, &[]), &reset, &asks(3, &[])]), Status(3, 200)),
        ("5.1.1 even stream", asks(2, &[]), Away(&[PROTOCOL])),
        ("5.1.1 smaller stream than before", of(&[&asks(5, &[]), &asks(3, &[])]), Away(&[PROTOCOL, CLOSED])),
        ("5.1.1 streams that are left out", asks(0x7fff_fffd, &[]), Status(0x7fff_fffd, 200)),
        ("5.1.2 as many streams as allowed", (0..5).flat_map(|n| posts(n * 2 + 1, &[])).collect(), Fine),
        ("5.1.2 one stream too many", (0..6).flat_map(|n| posts(n * 2 + 1, &[])).collect(), Reset(11, &[REFUSED, PROTOCOL])),
        ("5.1.2 room again behind a reset", of(&[&(0..5).flat_map(|n| posts(n * 2 + 1, &[])).collect::<Vec<_>>(), &reset, &asks(11, &[])]), Status(11, 200)),
        ("6.8 GOAWAY of a client does not end what it asked", of(&[&posts(1, &[]), &frame(GOAWAY, 0, 0, &[0; 8]), &frame(PING, 0, 0, &[0; 8])]), Fine),
        ("8.1 HEADERS behind HEADERS that end nothing", of(&[&posts(1, &[]), &posts(1, &[])]), Reset(1, &[PROTOCOL])),
        ("8.1 trailers", of(&[&posts(1, &[]), &frame(DATA, 0, 1, b"x"), &request(1, &[("x", "y")])]), Fine),
        ("8.1 trailers that end nothing", of(&[&posts(1, &[]), &frame(DATA, 0, 1, b"x"), &frame(HEADERS, WHOLE, 1, &block(&[("x", "y")]))]), Reset(1, &[PROTOCOL])),
        ("8.1 DATA behind trailers", of(&[&posts(1, &[]), &request(1, &[("x", "y")]), &frame(DATA, 0, 1, b"x")]), Away(&[CLOSED, PROTOCOL])),
    ]);
}

#[test]
#[rustfmt::skip]
fn windows_are_kept_by_both_sides() {
    let most = (1 << 31) - 1;
    let full = |stream: u32| frame(DATA, 0, stream, &[0; 16384]);
    judge(vec![
        ("6.9 increment 0 on the connection", frame(WINDOW, 0, 0, &number(0)), Away(&[PROTOCOL])),
        ("6.9 increment 0 on a stream", of(&[&posts(1, &[]), &frame(WINDOW, 0, 1, &number(0))]), Malformed(1)),
        ("6.9 reserved bit of an increment", frame(WINDOW, 0, 0, &number(0x8000_0001)), Fine),
        ("6.9.1 window of the connection too large", frame(WINDOW, 0, 0, &number(most)), Away(&[FLOW])),
        ("6.9.1 window of a stream too large", of(&[&posts(1, &[]), &frame(WINDOW, 0, 1, &number(most))]), Reset(1, &[FLOW])),
        ("6.9.2 window of a stream too large by a setting", of(&[&posts(1, &[]), &frame(WINDOW, 0, 1, &number(most - 65535)), &setting(4, 65536)]), Away(&[FLOW])),
        ("6.9.1 more than the window of the connection", of(&[&posts(1, &[]), &posts(3, &[]), &full(1).repeat(3), &full(3).repeat(3)]), Away(&[FLOW])),
    ]);
}

#[test]
fn answer_is_sent_only_as_far_as_the_windows_go() {
    let (program, _silent) = stage();
    let addr = program.listener("web");
    let mut client = Http2::open_with(addr, &[0, 4, 0, 0, 0, 0]);
    client.send(&of(&[&asks(1, &[]), &frame(PING, 0, 0, b"not yet!")]));
    let frames = client.until("the ping", |f| f.kind == PING);
    assert!(frames.iter().all(|f| f.kind != DATA), "{frames:?}");
    client.send(&frame(WINDOW, 0, 1, &number(1)));
    let part = client.until("a byte", |f| f.kind == DATA);
    assert_eq!(part.last().map(|f| &f.payload[..]), Some(&b"h"[..]));
    // A window may become negative, and then has to be filled first (section 6.9.2).
    client.send(&setting(4, 2));
    let more = client.until("two bytes", |f| f.kind == DATA);
    assert_eq!(more.last().map(|f| &f.payload[..]), Some(&b"er"[..]));
    client.send(&of(&[&setting(4, 0), &frame(WINDOW, 0, 1, &number(2)), &frame(PING, 0, 0, b"not yet!")]));
    let frames = client.until("the ping", |f| f.kind == PING);
    assert!(frames.iter().all(|f| f.kind != DATA), "{frames:?}");
    client.send(&frame(WINDOW, 0, 1, &number(1)));
    assert_eq!(client.answer(1).1, b"e");
}

#[test]
#[rustfmt::skip]
fn messages_that_are_malformed_reach_nobody() {
    judge(vec![
        ("8.1.1 more content than announced", of(&[&posts(1, &[("content-length", "1")]), &frame(DATA, 0, 1, b"xy")]), Reset(1, &[PROTOCOL])),
        ("8.1.1 less content than announced", of(&[&posts(1, &[("content-length", "3")]), &frame(DATA, END, 1, b"xy")]), Reset(1, &[PROTOCOL])),
        ("8.1.1 content announced that does not come", asks(1, &[("content-length", "3")]), Reset(1, &[PROTOCOL])),
        ("8.1.1 trailers before all of the content", of(&[&posts(1, &[("content-length", "3")]), &frame(DATA, 0, 1, b"x"), &request(1, &[("x", "y")])]), Reset(1, &[PROTOCOL])),
        ("8.1.1 length that is no number", posts(1, &[("content-length", "1x")]), Reset(1, &[PROTOCOL])),
        ("8.1.1 length with a sign", posts(1, &[("content-length", "+1")]), Reset(1, &[PROTOCOL])),
        ("8.1.1 two lengths", posts(1, &[("content-length", "1"), ("content-length", "2")]), Reset(1, &[PROTOCOL])),
        ("8.1.1 the same length twice", posts(1, &[("content-length", "1"), ("content-length", "1")]), Status(1, 400)),
        ("8.2 name in upper case", raw(b"X-A", b"1"), Malformed(1)),
        ("8.2.1 name with a space", raw(b"x a", b"1"), Malformed(1)),
        ("8.2.1 name with a colon", raw(b"x:a", b"1"), Malformed(1)),
        ("8.2.1 name with a line end", raw(b"x\r\na", b"1"), Malformed(1)),
        ("8.2.1 name with a NUL", raw(b"x\0", b"1"), Malformed(1)),
        ("8.2.1 name with a high byte", raw(b"x\xe9", b"1"), Malformed(1)),
        ("8.2.1 empty name", raw(b"", b"1"), Malformed(1)),
        ("8.2.1 value with a line end", raw(b"x", b"a\r\nhost: b"), Malformed(1)),
        ("8.2.1 value with a line feed", raw(b"x", b"a\nb"), Malformed(1)),
        ("8.2.1 value with a carriage return", raw(b"x", b"a\rb"), Malformed(1)),
        ("8.2.1 value with a NUL", raw(b"x", b"a\0"), Malformed(1)),
        ("8.2.1 value with another control byte", raw(b"x", b"a\x01"), Malformed(1)),
        ("8.2.1 value that begins with a space", raw(b"x", b" a"), Status(1, 400)),
        ("8.2.1 value that ends with a tab", raw(b"x", b"a\t"), Status(1, 400)),
        ("8.2.1 value with a tab inside", raw(b"x", b"a\tb"), Status(1, 200)),
        ("8.2.1 value with high bytes", raw(b"x", b"\xc3\xa9"), Status(1, 200)),
        ("8.2.1 empty value", raw(b"x", b""), Status(1, 200)),
        ("8.2.2 Connection", asks(1, &[("connection", "close")]), Reset(1, &[PROTOCOL])),
        ("8.2.2 Keep-Alive", asks(1, &[("keep-alive", "1")]), Reset(1, &[PROTOCOL])),
        ("8.2.2 Proxy-Connection", asks(1, &[("proxy-connection", "close")]), Reset(1, &[PROTOCOL])),
        ("8.2.2 Transfer-Encoding", asks(1, &[("transfer-encoding", "chunked")]), Reset(1, &[PROTOCOL])),
        ("8.2.2 Upgrade", asks(1, &[("upgrade", "h2c")]), Reset(1, &[PROTOCOL])),
        ("8.2.2 TE with a coding", asks(1, &[("te", "gzip")]), Reset(1, &[PROTOCOL])),
        ("8.2.2 TE with trailers and a coding", asks(1, &[("te", "trailers, gzip")]), Reset(1, &[PROTOCOL])),
        ("8.2.2 TE with trailers", asks(1, &[("te", "trailers")]), Status(1, 200)),
        ("8.2.3 cookies in crumbs", asks(1, &[("cookie", "a=1"), ("cookie", "b=2")]), Status(1, 200)),
    ]);
}

#[test]
#[rustfmt::skip]
fn pseudo_fields_say_one_thing_each() {
    let twice = |name: &'static str, value: &'static str| request(1, &[&GET[..], &[(name, value)]].concat());
    let bare = |fields: Fields<'_>| request(1, fields);
    let connect = |more: Fields<'_>| request(1, &[&[(":method", "CONNECT")], more].concat());
    let anywhere = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    let and = |more: Fields<'_>| request(1, &[&anywhere, more].concat());
    judge(vec![
        ("8.3 unknown one", twice(":foo", "x"), Malformed(1)),
        ("8.3 that of an answer", twice(":status", "200"), Reset(1, &[PROTOCOL])),
        ("8.3 behind a field", bare(&[(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", "/"), (":authority", "h")]), Reset(1, &[PROTOCOL])),
        ("8.3 :method twice", twice(":method", "GET"), Reset(1, &[PROTOCOL])),
        ("8.3 :scheme twice", twice(":scheme", "http"), Reset(1, &[PROTOCOL])),
        ("8.3 :path twice", twice(":path", "/b"), Reset(1, &[PROTOCOL])),
        ("8.3 :authority twice", twice(":authority", "g"), Reset(1, &[PROTOCOL])),
        ("8.3.1 no :method", instead(":method", None), Reset(1, &[PROTOCOL])),
        ("8.3.1 no :scheme", instead(":scheme", None), Reset(1, &[PROTOCOL])),
        ("8.3.1 no :path", instead(":path", None), Reset(1, &[PROTOCOL])),
        ("8.3.1 empty :path", instead(":path", Some("")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :path without a slash", instead(":path", Some("a")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :path that is a whole URL", instead(":path", Some("http://h/")), Reset(1, &[PROTOCOL])),
        // The `http` crate cuts it off: nobody behind sees it either.
        ("8.3.1 :path with a fragment", instead(":path", Some("/a#b")), Status(1, 200)),
        ("8.3.1 :path with a space", instead(":path", Some("/a b")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :path with a line end", instead(":path", Some("/a\r\nx: y")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :path with a control byte", instead(":path", Some("/\u{1}")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :path with a backslash", instead(":path", Some("/a\\b")), Status(1, 400)),
        ("8.3.1 :path with high bytes", instead(":path", Some("/é")), Status(1, 400)),
        ("8.3.1 :path is a star", instead(":path", Some("*")), Status(1, 400)),
        ("8.3.1 OPTIONS of the server", bare(&[(":method", "OPTIONS"), (":scheme", "http"), (":authority", "h"), (":path", "*")]), Status(1, 200)),
        ("8.3.1 :method with a space", instead(":method", Some("GE T")), Malformed(1)),
        ("8.3.1 :method that nobody knows", instead(":method", Some("FROB")), Status(1, 200)),
        ("8.3.1 empty :method", instead(":method", Some("")), Malformed(1)),
        ("8.3.1 :scheme that nobody knows", instead(":scheme", Some("ftp")), Status(1, 400)),
        ("8.3.1 :scheme with a space", instead(":scheme", Some("ht tp")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :authority with user information", instead(":authority", Some("u@h")), Status(1, 400)),
        ("8.3.1 :authority with a slash", instead(":authority", Some("h/a")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :authority with a space", instead(":authority", Some("h a")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :authority with a fragment", instead(":authority", Some("h#a")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :authority with a comma", instead(":authority", Some("h,g")), Status(1, 400)),
        ("8.3.1 :authority with a port too large", instead(":authority", Some("h:99999")), Status(1, 400)),
        ("8.3.1 empty :authority", instead(":authority", Some("")), Reset(1, &[PROTOCOL])),
        ("8.3.1 :authority with a port", instead(":authority", Some("h:8080")), Status(1, 200)),
        ("8.3.1 :authority of IPv6", instead(":authority", Some("[::1]:80")), Status(1, 200)),
        ("8.3.1 Host alone", and(&[("host", "h")]), Status(1, 200)),
        ("8.3.1 Host and :authority agree", asks(1, &[("host", "H")]), Status(1, 200)),
        ("8.3.1 Host and :authority differ", asks(1, &[("host", "g")]), Status(1, 400)),
        ("8.3.1 neither Host nor :authority", and(&[]), Status(1, 400)),
        ("8.3.1 two Hosts", and(&[("host", "h"), ("host", "g")]), Status(1, 400)),
        ("8.5 CONNECT", connect(&[(":authority", "h:80")]), Status(1, 405)),
        ("8.5 CONNECT without a port", connect(&[(":authority", "h")]), Status(1, 400)),
        ("8.5 CONNECT with :scheme", connect(&[(":scheme", "http"), (":authority", "h:80")]), Reset(1, &[PROTOCOL])),
        ("8.5 CONNECT with :path", connect(&[(":path", "/"), (":authority", "h:80")]), Reset(1, &[PROTOCOL])),
        ("8.5 CONNECT without :authority", connect(&[]), Status(1, 400)),
        ("RFC 8441 a WebSocket where none answers", request(1, &[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "h"), (":path", "/")]), Status(1, 502)),
        ("RFC 8441 :protocol without CONNECT", twice(":protocol", "websocket"), Reset(1, &[PROTOCOL])),
    ]);
}

#[test]
#[rustfmt::skip]
fn heads_that_are_too_large_are_answered_431() {
    let long = "x".repeat(20_000);
    let many: Vec<_> = (0..101).map(|n| (format!("x{n}"), String::from("y"))).collect();
    let many: Vec<_> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let crumbs = vec![("cookie", "a=1"); 101];
    let large = get(&[("a", &long), ("b", &long)]);
    let parts: Vec<&[u8]> = large.chunks(16_000).collect();
    let cut = of(&[
        &frame(HEADERS, END, 1, parts[0]),
        &frame(CONTINUATION, 0, 1, parts[1]),
        &frame(CONTINUATION, WHOLE, 1, parts[2]),
    ]);
    judge(vec![
        ("6.5.2 more than MAX_HEADER_LIST_SIZE", cut, Status(1, 431)),
        ("6.5.2 more fields than limits.fields", asks(1, &many), Status(1, 431)),
        ("6.5.2 more cookies than limits.fields", asks(1, &crumbs), Status(1, 431)),
        ("RFC 9112 3 path longer than limits.request_line", instead(":path", Some(&format!("/{}", "x".repeat(9000)))), Status(1, 414)),
    ]);
}
