//! Users whose passwords are kept elsewhere, in a service that may be away: the control side reads them there and puts
//! them in, the data path looks them up. Nothing in here waits for the service.
//!
//! There is one [`Cell`] for each secret, shared by every middleware that names it, and carried over by reloads. One that
//! was never filled lets nobody in; one that was filled keeps what it has until something better comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use yumen_config::config::KmsSecret;

/// Names and the hashes of their passwords.
pub(crate) type Users = HashMap<String, Arc<str>>;

/// The cells of all secrets that something in the data path uses.
#[derive(Default)]
pub struct Vault {
    cells: Mutex<HashMap<KmsSecret, Weak<Cell>>>,
}

/// What is known of one secret.
#[derive(Default)]
pub struct Cell {
    kept: ArcSwapOption<Kept>,
    doubted: Notify,
}

/// The users of a version of a secret.
pub(crate) struct Kept {
    users: Users,
    /// Counts up with every version, so that what was found right by one is not by the next.
    number: u64,
}

impl Vault {
    /// The cell of a secret, which lives as long as somebody holds it.
    pub fn cell(&self, secret: &KmsSecret) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(secret).and_then(Weak::upgrade) {
            return cell;
        }
        cells.retain(|_, cell| cell.strong_count() > 0);
        let cell = Arc::new(Cell::default());
        cells.insert(secret.clone(), Arc::downgrade(&cell));
        cell
    }
}

impl Cell {
    /// Puts the users of a new version in the place of those before, for requests from now on; returns how many they are.
    /// Belongs to the control side.
    ///
    /// # Errors
    /// The text is not made of lines `name:hash`. The error names a line and nothing of what stands there, and what was
    /// there before stays.
    pub fn put(&self, text: &str) -> Result<usize, String> {
        let users = parse(text).map_err(|wrong| wrong.anonymous())?;
        if users.is_empty() {
            return Err("it has no users in it".to_owned());
        }
        let count = users.len();
        let number = self.kept.load().as_ref().map_or(0, |kept| kept.number) + 1;
        self.kept.store(Some(Arc::new(Kept { users, number })));
        Ok(count)
    }

    /// Ends when a password was refused that may be right by a newer version.
    pub async fn doubted(&self) {
        self.doubted.notified().await;
    }

    pub(crate) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// What tells this version from others; 0 when nothing is known.
    pub(crate) fn number(&self) -> u64 {
        self.kept.load().as_ref().map_or(0, |kept| kept.number)
    }

    /// The hash of a user's password; an error when nothing is known.
    pub(crate) fn hash(&self, name: &str) -> Result<Option<Arc<str>>, Unknown> {
        self.kept.load().as_ref().map(|kept| kept.users.get(name).cloned()).ok_or(Unknown)
    }
}

/// The secret was never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown;

/// A line that is not one of an htpasswd file.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// It has no colon.
    NoColon(usize),
    /// The password of this user is not hashed, or by something that is not supported.
    NotHashed(usize, String),
}

impl Wrong {
    /// The mistake in words.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::NoColon(line) => format!("password line {line} has no colon; write NAME:HASH"),
            Self::NotHashed(_, name) => {
                format!("the password of {name} is not hashed by bcrypt or argon2; use htpasswd -B")
            }
        }
    }

    /// The same without a word of the text.
    fn anonymous(&self) -> String {
        let (Self::NoColon(line) | Self::NotHashed(line, _)) = self;
        format!("line {line} is not `name:hash` with a bcrypt or argon2 hash, as `htpasswd -nB NAME` makes it")
    }
}

/// Reads lines of an htpasswd file.
pub(crate) fn parse(text: &str) -> Result<Users, Wrong> {
    let mut users = Users::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, hash) = line.split_once(':').ok_or(Wrong::NoColon(number + 1))?;
        if !hash.starts_with("$2") && !hash.starts_with("$argon2") {
            return Err(Wrong::NotHashed(number + 1, name.to_owned()));
        }
        users.insert(name.to_owned(), Arc::from(hash));
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str) -> KmsSecret {
        KmsSecret { account: "default".into(), name: name.into(), field: None }
    }

    #[test]
    fn a_cell_is_shared_while_it_is_held_and_keeps_its_users_when_the_next_version_is_unusable() {
        let vault = Vault::default();
        let cell = vault.cell(&secret("a"));
        assert_eq!(cell.hash("ann"), Err(Unknown));
        assert_eq!(cell.put("ann:$2y$05$a\n\n# a comment\n").ok(), Some(1));
        let same = vault.cell(&secret("a"));
        assert_eq!(same.hash("ann").map(|hash| hash.as_deref() == Some("$2y$05$a")), Ok(true));
        assert_eq!(same.hash("ben"), Ok(None));
        assert_eq!(vault.cell(&secret("b")).hash("ann"), Err(Unknown));
        let before = cell.number();
        let refused = cell.put("ann:hunter2").err().unwrap_or_default();
        assert!(refused.contains("line 1") && !refused.contains("hunter2") && !refused.contains("ann"), "{refused}");
        assert_eq!((cell.put("").is_err(), cell.number()), (true, before));
        drop((cell, same));
        assert_eq!(vault.cell(&secret("a")).hash("ann"), Err(Unknown), "nobody held it");
    }
}
