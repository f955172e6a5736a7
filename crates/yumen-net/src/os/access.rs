//! Rights of files that are written for other programs.

use std::io;
use std::path::Path;

/// Who may do what with a file, beyond what it was made with. Both are ideas of Unix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileAccess {
    /// The bits of its mode; `None`: as it is.
    pub mode: Option<u32>,
    /// `USER`, `USER:GROUP` or `:GROUP`, each a name or a number; `None`: as it is.
    pub owner: Option<String>,
}

/// Gives a file these rights. Names of accounts are looked up in `/etc/passwd` and `/etc/group`.
///
/// # Errors
/// There is no account of that name, this process may not give the file away, or the system has other ideas of rights.
pub fn grant(path: &Path, access: &FileAccess) -> io::Result<()> {
    if access.mode.is_none() && access.owner.is_none() {
        return Ok(());
    }
    apply(path, access)
}

#[cfg(unix)]
fn apply(path: &Path, access: &FileAccess) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt, chown};
    // The owner first: giving a file away takes bits from its mode.
    if let Some(owner) = &access.owner {
        let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
        let user = (!user.is_empty()).then(|| number(user, "/etc/passwd", "user")).transpose()?;
        let group = (!group.is_empty()).then(|| number(group, "/etc/group", "group")).transpose()?;
        chown(path, user, group)?;
    }
    match access.mode {
        Some(mode) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

/// The number of an account: the third field of its line in both files.
#[cfg(unix)]
fn number(name: &str, file: &str, noun: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = std::fs::read_to_string(file)?;
    let found = text.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let is_it = fields.next() == Some(name);
        fields.nth(1).filter(|_| is_it)?.parse().ok()
    });
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no {noun} {name} in {file}")))
}

#[cfg(not(unix))]
fn apply(_: &Path, _: &FileAccess) -> io::Result<()> {
    let text = "owners and modes are for Unix systems; set the rights of the folder, which files in it get";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn nothing_is_asked_of_the_system_when_no_rights_are_given() {
        grant(Path::new("/no/such/file"), &FileAccess::default()).unwrap();
        assert!(grant(Path::new("/no/such/file"), &FileAccess { mode: Some(0o600), owner: None }).is_err());
    }

    #[cfg(unix)] // Accounts of Unix.
    #[test]
    fn accounts_are_known_by_name_and_by_number() {
        assert_eq!(number("root", "/etc/passwd", "user").unwrap(), 0);
        assert_eq!(number("1234", "/no/such/file", "user").unwrap(), 1234);
        assert_eq!(number("roo", "/etc/passwd", "user").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
