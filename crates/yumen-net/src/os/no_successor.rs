//! Systems on which listening sockets are not handed to another process. Windows could duplicate them, but a service has one
//! process, which its manager started.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::Parcel;

/// Never started here.
#[derive(Debug)]
pub enum Successor {}

impl Successor {
    /// # Errors
    /// Always: it cannot be done here.
    pub fn start(_: &Path, _: &[OsString], _: &[Parcel]) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this system cannot hand listening sockets to a new process; stop and start the gateway instead",
        ))
    }

    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        match *self {}
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// A text for the operator.
    pub async fn confirmed(&mut self) -> Result<String, String> {
        match *self {}
    }

    /// Ends it.
    pub async fn end(self) {
        match self {}
    }
}

/// Never met here.
#[derive(Debug)]
pub enum Predecessor {}

impl Predecessor {
    /// Nobody hands anything over here.
    ///
    /// # Errors
    /// None.
    pub fn meet(_: impl Fn(&str) -> Option<String>) -> io::Result<Option<(Self, Vec<Parcel>)>> {
        Ok(None)
    }

    /// Says that this process serves, and its version.
    pub fn confirm(self, _: &str) {
        match self {}
    }

    /// Says why this process does not serve.
    pub fn give_up(self, _: &str) {
        match self {}
    }
}
