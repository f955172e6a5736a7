//! gRPC-Web to gRPC and back, part by part: nothing is kept but what does not fill a group of base64.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use yumen_core::{Body, BodyStream, Error, Fields, Frame, Request, Response, Side, Stage};
use yumen_grpc::{Code, Decoder, Encoder, Head, Kind, Walker, content_type, trailers_head};
use yumen_telemetry::reasons;

use super::answer::status_fields;
use super::call::{detect, kind_of};

/// Makes a request of gRPC-Web one of gRPC, and says as what kind its answer goes back. `None` when it is none; it is
/// unchanged then.
pub(crate) fn inward(request: &mut Request) -> Option<Kind> {
    let (kind, suffix) = detect(request).filter(|(kind, _)| *kind != Kind::Grpc)?;
    let answer = answer_kind(&request.fields, kind);
    let media_type = [Kind::Grpc.media_type().as_bytes(), suffix].concat();
    request.fields.set("Content-Type", &media_type);
    // They speak of the form of the answer, which is ours to make.
    request.fields.remove("accept");
    request.fields.remove("x-grpc-web");
    request.takes_trailers = true;
    let body = match std::mem::take(&mut request.body) {
        Body::Empty => return Some(answer),
        body => body,
    };
    let decoder = (kind == Kind::WebText).then(Decoder::default);
    request.body = Body::Stream(Box::new(Inward { body, decoder, frames: Walker::default(), over: false }));
    Some(answer)
}

/// The form that the client takes its answer in: what it accepts, and if it says nothing of that, what it sends.
fn answer_kind(fields: &Fields, sent: Kind) -> Kind {
    let accepts = fields.all("accept").flat_map(|value| value.split(|b| *b == b','));
    let mut kinds = accepts.filter_map(|one| content_type(one.trim_ascii())).map(|(kind, _)| kind);
    kinds.find(|kind| *kind != Kind::Grpc).unwrap_or(sent)
}

/// Makes an answer of gRPC one of gRPC-Web. Any other answer is unchanged.
pub(crate) fn outward(response: &mut Response, kind: Kind) {
    let Some((Kind::Grpc, suffix)) = kind_of(&response.fields) else { return };
    let media_type = [kind.media_type().as_bytes(), suffix].concat();
    response.fields.set("Content-Type", &media_type);
    let body = match std::mem::take(&mut response.body) {
        // The status stands in the head.
        Body::Empty => return,
        body => body,
    };
    let encoder = (kind == Kind::WebText).then(Encoder::default);
    response.body = Body::Stream(Box::new(Outward { body, encoder, frames: Walker::default(), over: false }));
}

fn invalid(detail: &str) -> Error {
    Error::new(Side::Client, Stage::Receive, reasons::INVALID_GRPC_WEB).detail(detail)
}

/// The content of a request.
struct Inward {
    body: Body,
    decoder: Option<Decoder>,
    frames: Walker,
    over: bool,
}

impl Inward {
    /// The next part of the content; empty when there is nothing to pass on yet.
    fn take(&mut self, data: Bytes) -> Result<Bytes, Error> {
        let data = match &mut self.decoder {
            Some(decoder) => {
                let mut out = Vec::new();
                decoder.read(&data, &mut out).map_err(|bad| invalid(&bad.to_string()))?;
                Bytes::from(out)
            }
            None => data,
        };
        let only_messages = |head: Head| match head.is_trailers() {
            true => Err(invalid("a request has no trailers")),
            false => Ok(()),
        };
        self.frames.walk(&data, only_messages)?;
        Ok(data)
    }

    fn end(&self) -> Option<Result<Frame, Error>> {
        let is_whole = self.decoder.as_ref().is_none_or(Decoder::is_between_groups);
        (!is_whole).then(|| Err(invalid("the base64 of the content is cut")))
    }
}

impl BodyStream for Inward {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        while !self.over {
            let part = ready!(self.body.poll_frame(cx));
            let part = match part {
                Some(Ok(Frame::Data(data))) => match self.take(data) {
                    Ok(data) if data.is_empty() => continue,
                    taken => taken.map(Frame::Data),
                },
                // No call has any.
                Some(Ok(Frame::Trailers(_))) => continue,
                Some(Err(error)) => Err(error),
                None => {
                    self.over = true;
                    return Poll::Ready(self.end());
                }
            };
            self.over = part.is_err();
            return Poll::Ready(Some(part));
        }
        Poll::Ready(None)
    }

    fn length(&self) -> Option<u64> {
        if self.decoder.is_some() { None } else { self.body.length() }
    }
}

/// The content of an answer.
struct Outward {
    body: Body,
    encoder: Option<Encoder>,
    frames: Walker,
    over: bool,
}

impl Outward {
    /// A part as it goes out. What a client waits for must not wait here: each message is padded.
    fn give(&mut self, data: Bytes, is_last: bool) -> Bytes {
        let Some(encoder) = &mut self.encoder else { return data };
        let walked: Result<(), std::convert::Infallible> = self.frames.walk(&data, |_| Ok(()));
        walked.unwrap_or_default();
        let mut out = Vec::new();
        encoder.write(&data, &mut out);
        if is_last || self.frames.is_between_frames() {
            encoder.flush(&mut out);
        }
        Bytes::from(out)
    }

    fn trailers(&mut self, fields: &Fields) -> Bytes {
        let mut lines = Vec::new();
        for (name, value) in fields.iter() {
            lines.extend(name.iter().map(u8::to_ascii_lowercase));
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value);
            lines.extend_from_slice(b"\r\n");
        }
        let head = trailers_head(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        self.give(Bytes::from([&head[..], &lines].concat()), true)
    }
}

impl BodyStream for Outward {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        while !self.over {
            let part = ready!(self.body.poll_frame(cx));
            self.over = !matches!(part, Some(Ok(Frame::Data(_))));
            let data = match part {
                Some(Ok(Frame::Data(data))) => self.give(data, false),
                Some(Ok(Frame::Trailers(fields))) => self.trailers(&fields),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // Else a client might take what it has for the whole.
                None => self.trailers(&status_fields(Code::UNKNOWN, "the endpoint sent no status")),
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::Data(data))));
            }
        }
        Poll::Ready(None)
    }

    fn length(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;

    /// Parts as they come; between two of them nothing is at hand once.
    struct Parts(VecDeque<Frame>, bool);

    impl BodyStream for Parts {
        fn poll_frame(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
            self.1 = !self.1;
            if self.1 { Poll::Pending } else { Poll::Ready(self.0.pop_front().map(Ok)) }
        }

        fn length(&self) -> Option<u64> {
            None
        }
    }

    fn body(parts: Vec<Frame>) -> Body {
        Body::Stream(Box::new(Parts(parts.into(), false)))
    }

    fn data(bytes: &[u8]) -> Frame {
        Frame::Data(Bytes::copy_from_slice(bytes))
    }

    /// Everything that is at hand, one entry for each time that something was.
    fn drained(body: &mut Body) -> Result<Vec<Vec<u8>>, Error> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = vec![Vec::new()];
        loop {
            match body.poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(Frame::Data(data)))) => all.last_mut().unwrap().extend_from_slice(&data),
                Poll::Ready(Some(Ok(Frame::Trailers(_)))) => panic!("trailers of HTTP in gRPC-Web"),
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Ready(None) => return Ok(all.into_iter().filter(|part| !part.is_empty()).collect()),
                Poll::Pending => all.push(Vec::new()),
            }
        }
    }

    fn request(content_type: &str, accept: &str, body: Body) -> Request {
        let mut request = Request::new(
            yumen_core::Method::Post,
            yumen_core::Scheme::Http,
            Fields::new(),
            Default::default(),
            Default::default(),
        );
        request.fields.add("content-type", content_type.as_bytes());
        request.fields.add("accept", accept.as_bytes());
        request.body = body;
        request
    }

    #[test]
    fn text_of_a_request_is_decoded_as_it_comes() {
        let parts = vec![data(b"AAAAA"), data(b"AFh"), data(b"AAAAAAI="), data(b"YmM=")];
        let mut request = request("application/grpc-web-text+proto", "application/grpc-web-text", body(parts));
        assert_eq!(inward(&mut request), Some(Kind::WebText));
        assert_eq!(request.fields.first_text("content-type"), Some("application/grpc+proto"));
        assert!(request.takes_trailers && !request.fields.contains("accept"));
        let got = drained(&mut request.body).unwrap();
        assert_eq!(got.concat(), b"\0\0\0\0\x01a\0\0\0\0\x02bc");
        assert_eq!(got.len(), 4, "each part is passed on when it comes");
    }

    #[test]
    fn request_that_breaks_the_rules_is_an_error_and_not_a_shorter_request() {
        for (content_type, content) in [
            ("application/grpc-web-text", &b"AAAAAA"[..]),
            ("application/grpc-web-text", b"AAAA\n"),
            ("application/grpc-web", b"\x80\0\0\0\0"),
            ("application/grpc-web-text", b"gAAAAAA="),
        ] {
            let mut request = request(content_type, "*/*", body(vec![data(content)]));
            inward(&mut request);
            let error = drained(&mut request.body).unwrap_err();
            assert_eq!(error.reason(), reasons::INVALID_GRPC_WEB, "{content:?}");
        }
    }

    #[test]
    fn answer_comes_in_the_form_that_is_accepted_and_else_in_that_of_the_request() {
        for (content_type, accept, kind) in [
            ("application/grpc-web", "*/*", Kind::Web),
            ("application/grpc-web-text", "", Kind::WebText),
            ("application/grpc-web", "application/grpc-web-text", Kind::WebText),
            ("application/grpc-web-text", "text/html, application/grpc-web+proto", Kind::Web),
        ] {
            assert_eq!(inward(&mut request(content_type, accept, Body::Empty)), Some(kind), "{content_type} {accept}");
        }
        assert_eq!(inward(&mut request("application/grpc", "", Body::Empty)), None);
    }

    #[test]
    fn trailers_become_the_last_frame_and_every_message_leaves_at_once() {
        let trailers = || {
            let mut fields = Fields::new();
            fields.add("Grpc-Status", b"0");
            Frame::Trailers(fields)
        };
        let answer = |kind, parts| {
            let mut response = Response::new(200);
            response.fields.add("content-type", b"application/grpc+proto");
            response.body = body(parts);
            outward(&mut response, kind);
            (response.fields.first_text("content-type").unwrap().to_owned(), drained(&mut response.body).unwrap())
        };
        let parts = || vec![data(b"\0\0\0\0\x01a"), data(b"\0\0\0\0\x02b"), data(b"c"), trailers()];
        let (name, binary) = answer(Kind::Web, parts());
        assert_eq!(name, "application/grpc-web+proto");
        assert_eq!(binary.concat(), b"\0\0\0\0\x01a\0\0\0\0\x02bc\x80\0\0\0\x10grpc-status: 0\r\n");
        let (name, text) = answer(Kind::WebText, parts());
        assert_eq!(name, "application/grpc-web-text+proto");
        // The second message is cut in its sixth byte; what is whole of it leaves with its end.
        assert_eq!(text.first().unwrap(), b"AAAAAAFh");
        assert_eq!(text.get(1).unwrap(), b"AAAAAAJi");
        assert_eq!(text.get(2).unwrap(), b"Yw==");
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        decoder.read(&text.concat(), &mut out).unwrap();
        assert_eq!(out, binary.concat());
    }

    #[test]
    fn answer_without_a_status_is_no_success() {
        let mut response = Response::new(200);
        response.fields.add("content-type", b"application/grpc");
        response.body = body(vec![data(b"\0\0\0\0\x01a")]);
        outward(&mut response, Kind::Web);
        let all = drained(&mut response.body).unwrap().concat();
        assert!(String::from_utf8_lossy(&all).contains("grpc-status: 2\r\n"));
    }
}
