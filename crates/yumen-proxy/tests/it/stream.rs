//! Streams through the proxy.

use std::io::Write;
use std::net::Shutdown;

use yumen_config::config::Protocol;

use crate::stage::{Stage, listener, of, origin, read_all, upstream};

#[test]
fn stream_is_relayed_both_ways_with_half_close() {
    let (addr, seen) = origin(|mut stream| {
        let all = read_all(&mut stream);
        stream.write_all(b"after the end").unwrap();
        all
    });
    let stage = Stage::new(of(listener(Protocol::Tcp), Vec::new(), upstream(&[addr])));
    let mut client = stage.connect();
    client.write_all(b"anything at all").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), "after the end");
    assert_eq!(seen.recv().unwrap(), "anything at all");
}
