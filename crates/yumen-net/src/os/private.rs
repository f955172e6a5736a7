//! Files that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Creates a file that only its owner may read and fills it; never touches one that exists.
///
/// On Unix the mode is 0600 from the first moment. On Windows the file takes the access list of its directory, which the
/// installer keeps private.
///
/// # Errors
/// `AlreadyExists` when there is a file, else what the system says; nothing is left behind then.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    fill(file, bytes).inspect_err(|_| {
        // The first error is the one to tell.
        std::fs::remove_file(path).unwrap_or_default();
    })
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}
