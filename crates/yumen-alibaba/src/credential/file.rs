//! Reads files that hold keys.

use std::path::Path;

use tokio::io::AsyncReadExt as _;

use super::CredentialError;
use crate::os::{Exposure, exposure};

/// No file with keys is this large.
const LARGEST: u64 = 1 << 20;

/// Reads a file with keys. One that others may read or write is refused, one that its group may read is warned about.
pub(super) async fn read_private(name: &str, path: &Path) -> Result<String, CredentialError> {
    let file = open(name, path).await?;
    let metadata = file.metadata().await.map_err(|error| unreadable(name, path, &error))?;
    let shown = path.display();
    match exposure(&metadata) {
        Exposure::Open => {
            let text = format!("{shown} is open to other users: close it with `chmod 600`, and change the key in it");
            return Err(CredentialError::failed(name, text));
        }
        Exposure::Group => tracing::warn!("{shown} holds keys and its group may read it: close it with `chmod 600`"),
        Exposure::Closed => {}
    }
    content(name, path, file).await
}

/// Reads a file that others may read: a projected token has the rights that its platform gives it.
pub(super) async fn read(name: &str, path: &Path) -> Result<String, CredentialError> {
    let file = open(name, path).await?;
    content(name, path, file).await
}

async fn open(name: &str, path: &Path) -> Result<tokio::fs::File, CredentialError> {
    tokio::fs::File::open(path).await.map_err(|error| unreadable(name, path, &error))
}

fn unreadable(name: &str, path: &Path, error: &std::io::Error) -> CredentialError {
    let text = format!("cannot read {}: {error}", path.display());
    if error.kind() == std::io::ErrorKind::NotFound {
        CredentialError::absent(name, text)
    } else {
        CredentialError::failed(name, text)
    }
}

async fn content(name: &str, path: &Path, file: tokio::fs::File) -> Result<String, CredentialError> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).await.map_err(|error| unreadable(name, path, &error))?;
    String::from_utf8(bytes).map_err(|_| CredentialError::failed(name, format!("{} is no text", path.display())))
}
