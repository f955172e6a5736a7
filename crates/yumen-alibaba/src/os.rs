//! What differs between operating systems: who may read a file. The one place of this crate that knows.

use std::fs::Metadata;

/// How widely a file is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Only its owner and the system reach it, or the system does not tell.
    Closed,
    /// Members of its group may read it.
    #[cfg_attr(not(unix), expect(dead_code, reason = "rights are not read there"))]
    Group,
    /// Everybody may read it, or others than its owner may write it.
    #[cfg_attr(not(unix), expect(dead_code, reason = "rights are not read there"))]
    Open,
}

/// How widely a file can be reached.
#[cfg(unix)]
pub(crate) fn exposure(metadata: &Metadata) -> Exposure {
    use std::os::unix::fs::PermissionsExt as _;
    match metadata.permissions().mode() {
        mode if mode & 0o026 != 0 => Exposure::Open,
        mode if mode & 0o040 != 0 => Exposure::Group,
        _ => Exposure::Closed,
    }
}

/// On Windows files of a profile are closed to others by the folder they lie in; the list of rights is not read here.
#[cfg(not(unix))]
pub(crate) fn exposure(_metadata: &Metadata) -> Exposure {
    Exposure::Closed
}
