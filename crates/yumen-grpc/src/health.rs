//! `grpc.health.v1.Health/Check`, the health check that gRPC servers offer. Its messages have one field each, so they are
//! written and read by hand.

use crate::frame::{Head, Walker};

/// The path of the call.
pub const PATH: &str = "/grpc.health.v1.Health/Check";

/// What a server says of itself or of one of its services (`ServingStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// It does not know.
    Unknown,
    /// It serves.
    Serving,
    /// It does not.
    NotServing,
    /// It does not know the service. A server says so to those who watch; to a check it answers NOT_FOUND.
    ServiceUnknown,
    /// A number without a name.
    Other(u64),
}

/// The message that asks for a service, `HealthCheckRequest { string service = 1; }`, in its frame. The empty name stands
/// for the server as a whole.
pub fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(service.len() + 8);
    // A field with its default value is left out.
    if !service.is_empty() {
        message.push(0x0a);
        varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

/// Reads the content of an answer: one frame with `HealthCheckResponse { ServingStatus status = 1; }`. `None` when it is
/// none, or compressed, which nobody asked for.
pub fn response(content: &[u8]) -> Option<Serving> {
    let mut frames = 0;
    let mut walker = Walker::default();
    let only = |head: Head| {
        frames += 1;
        if head.flags == 0 && frames == 1 { Ok(()) } else { Err(()) }
    };
    walker.walk(content, only).ok()?;
    if !walker.is_between_frames() {
        return None;
    }
    status(content.get(5..)?)
}

/// The last value of field 1 counts; fields that are not known are passed over (protobuf encoding, "Last One Wins").
fn status(mut message: &[u8]) -> Option<Serving> {
    let mut status = 0;
    while !message.is_empty() {
        let key = read_varint(&mut message)?;
        match key & 7 {
            0 => {
                let value = read_varint(&mut message)?;
                if key >> 3 == 1 {
                    status = value;
                }
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(read_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(match status {
        0 => Serving::Unknown,
        1 => Serving::Serving,
        2 => Serving::NotServing,
        3 => Serving::ServiceUnknown,
        other => Serving::Other(other),
    })
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn question_is_a_frame_with_the_name_of_the_service() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = request(&"x".repeat(300));
        assert_eq!(long.get(..8), Some(&[0, 0, 0, 1, 47, 0x0a, 0xac, 0x02][..]));
    }

    #[test]
    fn answer_is_read_past_fields_nobody_knows_and_refused_when_it_is_cut() {
        for (content, serving) in [
            (&[0, 0, 0, 0, 2, 8, 1][..], Some(Serving::Serving)),
            (&[0, 0, 0, 0, 0], Some(Serving::Unknown)),
            (&[0, 0, 0, 0, 2, 8, 2], Some(Serving::NotServing)),
            (&[0, 0, 0, 0, 2, 8, 3], Some(Serving::ServiceUnknown)),
            (&[0, 0, 0, 0, 2, 8, 9], Some(Serving::Other(9))),
            (&[0, 0, 0, 0, 6, 0x12, 2, 9, 9, 8, 1], Some(Serving::Serving)),
            (&[0, 0, 0, 0, 4, 8, 1, 8, 2], Some(Serving::NotServing)),
            (&[0, 0, 0, 0, 2, 8], None),
            (&[0, 0, 0, 0, 1, 8], None),
            (&[1, 0, 0, 0, 2, 8, 1], None),
            (&[0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 0], None),
            (&[], None),
        ] {
            assert_eq!(response(content), serving, "{content:?}");
        }
    }

    proptest! {
        #[test]
        fn reader_of_answers_takes_any_bytes(content in proptest::collection::vec(any::<u8>(), 0..40)) {
            let framed = [&[0, 0, 0, 0, content.len() as u8][..], &content].concat();
            prop_assert_eq!(response(&framed), status(&content));
        }
    }
}
