//! The thread that writes the access log.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::file::RotatingFile;
use super::{Message, Shared, lock};

/// After the log was turned off, lines that workers formatted before come for this long at most: they hand over every
/// 200 ms.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// Where lines end up.
pub(super) enum Sink {
    Off,
    Stream(Box<dyn Write + Send>),
    File(RotatingFile),
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Off => Ok(bytes.len()),
            Self::Stream(stream) => stream.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    /// Between whole buffers: a file may be put aside only here.
    fn prepare(&mut self, more: usize) {
        if let Self::File(file) = self {
            for problem in file.rotate_if_due(more as u64) {
                tracing::warn!("{problem}");
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Self::Stream(stream) = self { stream.flush() } else { Ok(()) }
    }
}

pub(super) struct Writer {
    receiver: Receiver<Message>,
    shared: Arc<Shared>,
    sink: Sink,
    /// The last write failed; it is said once, not for every buffer.
    is_failing: bool,
    /// The last write ended within a line.
    is_torn: bool,
    /// The log was turned off; what was written before that still goes where it should.
    is_leaving: bool,
}

impl Writer {
    pub(super) fn new(receiver: Receiver<Message>, shared: Arc<Shared>, sink: Sink) -> Self {
        Self { receiver, shared, sink, is_failing: false, is_torn: false, is_leaving: false }
    }

    /// Writes until the log is closed or everybody who could write is gone.
    pub(super) fn run(mut self) {
        while let Some(message) = self.next() {
            self.take_next_sink();
            self.take(message);
            if self.shared.closing.load(Ordering::Acquire) {
                while let Ok(message) = self.receiver.try_recv() {
                    self.take(message);
                }
                return;
            }
        }
    }

    /// The next message; `None` when nobody can send one any more.
    fn next(&mut self) -> Option<Message> {
        if self.is_leaving {
            match self.receiver.recv_timeout(STRAGGLERS) {
                Err(RecvTimeoutError::Timeout) => (self.sink, self.is_leaving) = (Sink::Off, false),
                other => return other.ok(),
            }
        }
        self.receiver.recv().ok()
    }

    fn take(&mut self, message: Message) {
        if let Message::Lines { mut buffer, lines, home } = message {
            self.write(&buffer, lines);
            buffer.clear();
            // The worker may be gone or have buffers enough.
            home.try_send(buffer).unwrap_or_default();
        }
    }

    fn take_next_sink(&mut self) {
        let next = lock(&self.shared.next).take();
        match next {
            Some(Sink::Off) => self.is_leaving = true,
            Some(next) => {
                self.sink = next;
                (self.is_failing, self.is_torn, self.is_leaving) = (false, false, false);
            }
            None => {}
        }
    }

    fn write(&mut self, buffer: &[u8], lines: u64) {
        self.sink.prepare(buffer.len());
        let mut done = 0;
        match self.try_write(buffer, &mut done) {
            Ok(()) => self.recovered(),
            Err(error) => {
                let (written, rest) = buffer.split_at(done);
                self.is_torn = written.last().map_or(self.is_torn, |last| *last != b'\n');
                let lost = rest.iter().filter(|b| **b == b'\n').count() as u64;
                self.shared.drop_lines(lost.min(lines));
                self.failed(&error);
            }
        }
    }

    fn try_write(&mut self, buffer: &[u8], done: &mut usize) -> io::Result<()> {
        if self.is_torn && self.sink.write(b"\n")? == 1 {
            self.is_torn = false;
        }
        while *done < buffer.len() {
            match self.sink.write(&buffer[*done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => *done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sink.flush()
    }

    fn failed(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!("cannot write the access log: {error}; lines are dropped and counted until it works again");
        }
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.is_failing, false) {
            tracing::info!("the access log is written again");
        }
    }
}
