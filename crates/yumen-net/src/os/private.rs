//! Files and folders that only their owner may open.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::system;

/// Creates a file that only its owner may read and fills it; never touches one that exists.
///
/// From the first moment: on Unix by the mode 0600, on Windows by a list of rights that names the account, the system and
/// administrators and takes nothing from the folder.
///
/// # Errors
/// `AlreadyExists` when there is a file, else what the system says; nothing is left behind then.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = system::create_new(path)?;
    fill(file, bytes).inspect_err(|_| {
        // The first error is the one to tell.
        std::fs::remove_file(path).unwrap_or_default();
    })
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates a folder that only its owner may open, as [`create_private`] does a file. Those above it must be there.
///
/// # Errors
/// `AlreadyExists` when there is something of that name, else what the system says.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    system::create_folder(path)
}

/// Sees to a folder: one that is not there is made private, those above it as usual. One that is there stays as it is;
/// [`intrusion`](super::intrusion) judges it.
///
/// # Errors
/// It cannot be made, or is no folder.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        std::fs::create_dir_all(above)?;
    }
    match create_private_folder(path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::{exposure, intrusion};
    use super::*;

    #[test]
    fn private_files_and_folders_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/b/state");
        for _ in 0..2 {
            private_folder(&state).unwrap();
        }
        assert_eq!((exposure(&state).unwrap(), intrusion(&state).unwrap()), (None, None));
        let file = state.join("token");
        create_private(&file, b"secret").unwrap();
        assert_eq!((exposure(&file).unwrap(), std::fs::read(&file).unwrap()), (None, b"secret".to_vec()));
        assert_eq!(create_private(&file, b"other").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(create_private_folder(&state).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(private_folder(&file).is_err());
        // The owner can do with it what is done with files.
        let fresh = state.join("fresh");
        create_private(&fresh, b"fresh").unwrap();
        super::super::replace(&fresh, &file).unwrap();
        assert_eq!((exposure(&file).unwrap(), std::fs::read(&file).unwrap()), (None, b"fresh".to_vec()));
        std::fs::remove_file(&file).unwrap();
    }
}
