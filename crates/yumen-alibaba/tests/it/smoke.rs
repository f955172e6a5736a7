//! A smoke test of the fuzz targets: the corpus and mutations of it, on a stable compiler.

use std::time::Duration;

#[path = "../../../../fuzz/src/alibaba.rs"]
mod alibaba;
#[path = "../../../../fuzz/src/smoke.rs"]
mod replay;

const PIECES: &[&[u8]] = &[
    b"\n?",
    b"\n:",
    b"\n\n",
    b"=",
    b"%",
    b"%2F",
    b"+",
    b"&",
    b" ",
    b"~*'",
    b"\xe7\x9b\xae",
    b"\xff",
    b":content-type: a\n",
    b":x-acs-a: 1\n",
    b":x-oss-b: 2\n",
    b":x-log-c: 3\n",
    b":host: h\n",
    b"?a=1\n",
    b"?A=\n",
    b"\0",
    b"\r",
];

#[test]
fn canonical_forms_hold_for_mutated_requests() {
    let budget = Duration::from_secs(1);
    replay::replay("alibaba_acs3", alibaba::acs3, PIECES, budget);
    replay::replay("alibaba_rpc", alibaba::rpc, PIECES, budget);
    replay::replay("alibaba_roa", alibaba::roa, PIECES, budget);
    replay::replay("alibaba_oss", alibaba::oss, PIECES, budget);
    replay::replay("alibaba_sls", alibaba::sls, PIECES, budget);
}
