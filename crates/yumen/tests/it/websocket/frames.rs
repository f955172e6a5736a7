//! Frames of RFC 6455 as a client sends them, right and wrong, in the order of groups 1 to 5 and 7 of the case list of the
//! Autobahn test suite: framing, pings, reserved bits and opcodes, fragments, close. Group 6 stands in `utf8`.

/// A frame; the first byte has FIN, the reserved bits and the opcode.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = head(first, payload.len());
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A frame whose key is zero, which leaves the payload as it is: large ones are made at once.
pub(super) fn bare_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&head(first, payload.len())[..], &[0; 4], payload].concat()
}

/// What stands before the key.
fn head(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        n @ 0..=125 => bytes.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes
}

/// A whole text.
pub(crate) fn message(text: &[u8]) -> Vec<u8> {
    frame(0x81, text)
}

/// A close with a code.
pub(super) fn closing(code: u16) -> Vec<u8> {
    frame(0x88, &code.to_be_bytes())
}

/// Names and bytes. Each ends with a close, so that the server ends whatever it makes of the rest.
pub(super) fn cases() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: String, parts: &[Vec<u8>]| all.push((name, [parts.concat(), closing(1000)].concat()));
    for size in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 200_000] {
        let payload: Vec<u8> = (0..size).map(|i| b'a' + (i % 26) as u8).collect();
        add(format!("text of {size}"), &[frame(0x81, &payload)]);
        add(format!("binary of {size}"), &[frame(0x82, &payload)]);
        let fragments: Vec<Vec<u8>> =
            payload.chunks(1000).map(|part| frame(0, part)).chain([frame(0x80, b"")]).collect();
        add(format!("text of {size} in fragments"), &[vec![frame(1, b"")], fragments].concat());
    }
    for size in [0, 125, 126] {
        add(format!("ping of {size}"), &[frame(0x89, &vec![0xfe; size])]);
        add(format!("unasked pong of {size}"), &[frame(0x8a, &vec![b'p'; size]), message(b"behind")]);
    }
    add("ten pings".to_owned(), &(0..10).map(|i| frame(0x89, &[i])).collect::<Vec<_>>());
    add("ping in fragments".to_owned(), &[frame(9, b"a"), frame(0x80, b"b")]);
    for bit in [0x10, 0x20, 0x40, 0x70] {
        add(format!("reserved bits {bit:#x}"), &[message(b"before"), frame(0x81 | bit, b"x")]);
        add(format!("reserved bits {bit:#x} of a ping"), &[frame(0x89 | bit, b"x")]);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        add(format!("reserved opcode {opcode}"), &[message(b"before"), frame(0x80 | opcode, b"x"), message(b"behind")]);
    }
    add("ping between fragments".to_owned(), &[frame(1, b"a"), frame(0x89, b"p"), frame(0x80, b"b")]);
    add("continuation of nothing".to_owned(), &[frame(0x80, b"b"), message(b"x")]);
    add("unfinished continuation of nothing".to_owned(), &[frame(0, b"b"), message(b"x")]);
    add("text within fragments".to_owned(), &[frame(1, b"a"), message(b"b")]);
    let utf8: [(&str, &[u8]); 8] = [
        ("whole", "κόσμε 𐍈 \u{10ffff}".as_bytes()),
        ("cut", b"\xce\xba\xe1\xbd"),
        ("surrogate", b"\xed\xa0\x80"),
        ("too large", b"\xf4\x90\x80\x80"),
        ("overlong", b"\xc0\xaf"),
        ("stray continuation", b"a\x80b"),
        ("last of all", b"\xf7\xbf\xbf\xbf"),
        ("no character", b"\xff\xfe"),
    ];
    for (name, bytes) in utf8 {
        add(format!("UTF-8, {name}"), &[frame(0x81, bytes)]);
        let bytewise: Vec<Vec<u8>> = bytes.iter().map(|byte| frame(0, &[*byte])).chain([frame(0x80, b"")]).collect();
        add(format!("UTF-8 byte by byte, {name}"), &[vec![frame(1, b"")], bytewise].concat());
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        add(format!("close {code}"), &[closing(code)]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        add(format!("impossible close {code}"), &[closing(code)]);
    }
    add("close without a code".to_owned(), &[frame(0x88, b"")]);
    add("close of one byte".to_owned(), &[frame(0x88, b"\x03")]);
    add("close with a reason".to_owned(), &[frame(0x88, b"\x03\xe8bye")]);
    add("close with a reason that is no text".to_owned(), &[frame(0x88, b"\x03\xe8\xff")]);
    add("close of 126".to_owned(), &[frame(0x88, &[[3, 0xe8].as_slice(), &[b'r'; 124]].concat())]);
    add("text behind a close".to_owned(), &[closing(1000), message(b"late")]);
    add("frame without a mask".to_owned(), &[vec![0x81, 1, b'x']]);
    all
}
