//! Origins named after what is wrong with them.

use crate::origin::{Origin, Play};

fn send(text: &str) -> Play {
    Play::Send(text.as_bytes().to_vec())
}

impl Origin {
    /// No vice at all: the same answer to every request without content.
    #[must_use]
    pub fn answers(answer: &str) -> Self {
        Self::every(vec![Play::ReadHead, send(answer), Play::Again])
    }

    /// Answers 200 with this text to every request without content.
    #[must_use]
    pub fn says(text: &str) -> Self {
        Self::answers(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()))
    }

    /// Reads the request and never answers.
    #[must_use]
    pub fn never_answers() -> Self {
        Self::every(vec![Play::ReadHead, Play::AwaitEnd])
    }

    /// Sends the head of an answer and nothing behind it, though it announces content.
    #[must_use]
    pub fn stalls_after_headers() -> Self {
        Self::every(vec![Play::ReadHead, send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"), Play::AwaitEnd])
    }

    /// Resets the connection in the middle of the answer's content.
    #[must_use]
    pub fn resets_mid_body() -> Self {
        Self::every(vec![Play::ReadHead, send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"), Play::Reset])
    }

    /// Ends the connection in order in the middle of the answer's content.
    #[must_use]
    pub fn closes_mid_body() -> Self {
        Self::every(vec![Play::ReadHead, send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")])
    }

    /// Reads the request and closes.
    #[must_use]
    pub fn closes_without_answer() -> Self {
        Self::every(vec![Play::ReadHead])
    }

    /// Closes before it has read anything.
    #[must_use]
    pub fn closes_at_once() -> Self {
        Self::every(Vec::new())
    }
}
