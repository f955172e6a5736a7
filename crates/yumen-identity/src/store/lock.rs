//! One at a time, over all processes that share the folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use yumen_net::os;

use super::{LOCK, Label, Store};
use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Held until it is dropped, or until the process ends, however it ends: the operating system keeps it, so there is
/// nothing to clean up after a crash.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Store {
    /// Waits until nobody else holds the lock of `label`, in this process or another, and takes it.
    ///
    /// # Errors
    /// [`Error::Locked`] when that takes longer than `patience`; else what the disk says, which includes that its file
    /// system has no locks.
    pub async fn lock(&self, label: &Label, patience: Duration) -> Result<Lock, Error> {
        let end = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(lock) = self.try_lock(label)? {
                return Ok(lock);
            }
            if Instant::now() + pause > end {
                return Err(Error::Locked { label: label.to_string(), waited: patience });
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes the lock of `label` when nobody holds it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn try_lock(&self, label: &Label) -> Result<Option<Lock>, Error> {
        let path = self.path(LOCK, label.as_str(), "lock");
        // The file is never removed: two processes could then hold locks on two files of one name.
        match os::create_private(&path, b"") {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::disk("make", &path)(error));
            }
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(Error::disk("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::disk("lock", &path)(error)),
        }
    }
}
