//! What is known of a gRPC call. It is learnt while the answer passes by, when nobody holds the exchange any more.

use std::cell::{Cell, RefCell};

use crate::Error;

/// A gRPC call in flight, shared by its exchange and whoever relays its answer.
#[derive(Debug, Default)]
pub struct Rpc {
    status: Cell<Option<u32>>,
    message: RefCell<Box<str>>,
    failure: RefCell<Option<Error>>,
}

impl Rpc {
    /// The status code the client is told, once it is known.
    pub fn status(&self) -> Option<u32> {
        self.status.get()
    }

    /// Reads the text that goes with the status; it is empty when there is none.
    pub fn with_message<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        read(&self.message.borrow())
    }

    /// Notes the status. The first one stays.
    pub fn note(&self, status: u32, message: impl Into<Box<str>>) {
        if self.status.get().is_none() {
            self.status.set(Some(status));
            self.message.replace(message.into());
        }
    }

    /// Notes why an answer that was begun ends in another way than the endpoint meant, although the client is told so in an
    /// orderly way.
    pub fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// What was noted by [`Rpc::fail`].
    pub fn take_failure(&self) -> Option<Error> {
        self.failure.take()
    }
}
