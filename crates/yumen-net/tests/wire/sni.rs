use yumen_net::sni::{LIMIT, Sni, peek_sni};

/// A ClientHello asking for `name`, in records of at most `split` bytes.
fn hello(name: Option<&str>, split: usize) -> Vec<u8> {
    let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 29];
    if let Some(name) = name {
        let n = name.len() as u16;
        extensions.extend([0, 0]);
        extensions.extend((n + 5).to_be_bytes());
        extensions.extend((n + 3).to_be_bytes());
        extensions.push(0);
        extensions.extend(n.to_be_bytes());
        extensions.extend(name.bytes());
    }
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(body);
    message
        .chunks(split)
        .flat_map(|part| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat())
        .collect()
}

#[test]
fn names_are_found_in_any_split() {
    for split in [1, 3, 50, 16_384] {
        assert_eq!(peek_sni(&hello(Some("Api.Example.COM"), split)), Sni::Name("api.example.com".into()), "{split}");
        assert_eq!(peek_sni(&hello(None, split)), Sni::None, "{split}");
    }
}

#[test]
fn every_beginning_asks_for_more() {
    for split in [5, 16_384] {
        let whole = hello(Some("a.example"), split);
        for end in 0..whole.len() {
            assert_eq!(peek_sni(&whole[..end]), Sni::NeedMore, "{end} of {}", whole.len());
        }
    }
}

#[test]
fn what_is_not_tls_is_told_from_what_is_broken() {
    assert_eq!(peek_sni(b"GET / HTTP/1.1\r\n"), Sni::NotTls);
    assert_eq!(peek_sni(b"SSH-2.0-x"), Sni::NotTls);
    for name in ["", "a..b", "bad name", "192.0.2.1", "x\0y"] {
        assert_eq!(peek_sni(&hello(Some(name), 16_384)), Sni::Invalid, "{name:?}");
    }
}

#[test]
fn no_mutation_panics_or_wants_more_than_the_limit() {
    let whole = hello(Some("www.example.com"), 40);
    for at in 0..whole.len() {
        for value in 0..=255 {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let _: Sni = peek_sni(&bytes);
            bytes.resize(LIMIT, 0);
            assert_ne!(peek_sni(&bytes), Sni::NeedMore, "byte {at} = {value}");
        }
    }
}
