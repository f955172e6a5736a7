//! Which certificate answers for a server name. Those of files are there from the start; one that is obtained while the
//! gateway runs comes into its [`Cell`] later, and is replaced there, without anything else being built anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::staple::{CertificateChain, Shown, Staples};
use super::{Certificate, TlsError};

/// A certificate of a listener.
#[derive(Clone, Debug)]
pub enum Served {
    /// One that stays as it is.
    Fixed(Certificate),
    /// One that comes later, and changes.
    Kept {
        /// Where it is.
        cell: Arc<Cell>,
        /// What it will be good for, in lower case, `*.` for wildcards. While it is not there, who asks for one of these is
        /// refused, unless another certificate fits.
        names: Vec<Box<str>>,
    },
}

impl From<Certificate> for Served {
    fn from(certificate: Certificate) -> Self {
        Self::Fixed(certificate)
    }
}

impl Served {
    fn now(&self) -> Option<Certificate> {
        match self {
            Self::Fixed(certificate) => Some(certificate.clone()),
            Self::Kept { cell, .. } => cell.certificate().map(|certificate| Certificate::clone(&certificate)),
        }
    }
}

/// The certificates of a listener.
#[derive(Clone, Debug, Default)]
pub struct CertificateSet {
    /// All of them. When two have the same name the first one answers for it.
    pub certificates: Vec<Served>,
    /// Which one answers clients that send no name or an unknown one, or while it is not there the next one that is.
    /// `None`: they are refused.
    pub default: Option<usize>,
}

/// The place of a certificate that comes later, and is replaced while handshakes go on. Set it on the control side.
#[derive(Default)]
pub struct Cell {
    current: ArcSwapOption<Certificate>,
    /// Who serves it.
    users: Mutex<Vec<Weak<Names>>>,
}

impl Cell {
    /// What is there now.
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        self.current.load_full()
    }

    /// Puts another certificate there, or none, for handshakes from now on; sessions and connections go on.
    pub fn set(&self, certificate: Option<Certificate>) {
        self.current.store(certificate.map(Arc::new));
        let users: Vec<_> = lock(&self.users).iter().filter_map(Weak::upgrade).collect();
        // Each looks at all of its cells under its lock, so whoever comes last has seen the newest.
        users.iter().for_each(|names| names.follow());
    }

    fn is_used_by(&self, names: &Arc<Names>) {
        let mut users = lock(&self.users);
        users.retain(|user| user.strong_count() > 0 && !std::ptr::eq(user.as_ptr(), Arc::as_ptr(names)));
        users.push(Arc::downgrade(names));
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("current", &self.current.load()).finish_non_exhaustive()
    }
}

/// The cells by name, and what is shown to a CA that looks whether a name is ours. One for a process.
#[derive(Default)]
pub struct Keyring {
    cells: Mutex<BTreeMap<Box<str>, Arc<Cell>>>,
    challenges: Option<Arc<dyn ResolvesServerCert>>,
}

impl Keyring {
    /// No cells; `challenges` answers handshakes of TLS-ALPN-01 (RFC 8737). It is asked by workers: it may not block.
    pub fn new(challenges: Arc<dyn ResolvesServerCert>) -> Self {
        Self { cells: Mutex::default(), challenges: Some(challenges) }
    }

    /// The cell of this name, made when there is none.
    pub fn cell(&self, name: &str) -> Arc<Cell> {
        Arc::clone(lock(&self.cells).entry(name.into()).or_default())
    }

    /// Forgets the cells of other names. Whoever serves one goes on with it.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        lock(&self.cells).retain(|name, _| keep(name));
    }

    /// Who answers handshakes of TLS-ALPN-01.
    pub fn challenges(&self) -> Option<Arc<dyn ResolvesServerCert>> {
        self.challenges.clone()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("cells", &lock(&self.cells)).finish_non_exhaustive()
    }
}

/// Chooses a certificate by name; the table is swapped whole.
#[derive(Debug)]
pub(super) struct Names {
    set: Mutex<CertificateSet>,
    table: ArcSwap<Table>,
    /// Unset where no answers about their status are shown.
    staples: OnceLock<Staples>,
}

#[derive(Debug, Default)]
struct Table {
    all: Vec<Arc<Shown>>,
    exact: HashMap<Box<str>, Arc<Shown>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Arc<Shown>>,
    /// Names whose certificate is not there yet, with their star.
    awaited: HashSet<Box<str>>,
    default: Option<Arc<Shown>>,
}

impl Names {
    pub(super) fn build(set: CertificateSet) -> Result<Arc<Self>, TlsError> {
        let names = Arc::new(Self { set: Mutex::default(), table: ArcSwap::default(), staples: OnceLock::new() });
        check(&set)?;
        names.put(set);
        Ok(names)
    }

    /// Serves other certificates from now on, which were [checked](check).
    pub(super) fn put(self: &Arc<Self>, set: CertificateSet) {
        for served in &set.certificates {
            if let Served::Kept { cell, .. } = served {
                cell.is_used_by(self);
            }
        }
        *lock(&self.set) = set;
        self.follow();
    }

    fn follow(&self) {
        let set = lock(&self.set);
        self.table.store(Arc::new(Table::of(&set)));
        if let Some(staples) = self.staples.get() {
            staples.changed();
        }
    }

    /// Shows answers about the status of certificates.
    pub(super) fn staple(&self, staples: &Staples) {
        // They are those of the process, so a second time is the same.
        let _first = self.staples.set(staples.clone());
    }

    /// The chains that are served, if answers about them are shown.
    pub(super) fn stapled_chains(&self) -> Vec<CertificateChain> {
        let table = self.table.load();
        let shown = table.all.iter().filter(|_| self.staples.get().is_some());
        shown.map(|shown| shown.chain().to_vec()).collect()
    }

    /// Whether some certificate answers for a name, in lower case.
    pub(super) fn is_served(&self, name: Option<&str>) -> bool {
        self.table.load().choose(name).is_some()
    }
}

/// Whether a set can be served.
pub(super) fn check(set: &CertificateSet) -> Result<(), TlsError> {
    if set.certificates.is_empty() {
        return Err(TlsError::Setup("a TLS listener needs at least one certificate".to_owned()));
    }
    if set.default.is_some_and(|at| at >= set.certificates.len()) {
        return Err(TlsError::Setup("the default certificate is not in the list".to_owned()));
    }
    Ok(())
}

impl Table {
    fn of(set: &CertificateSet) -> Self {
        let mut table = Self::default();
        for (at, served) in set.certificates.iter().enumerate() {
            let Some(certificate) = served.now() else {
                if let Served::Kept { names, .. } = served {
                    table.awaited.extend(names.iter().cloned());
                }
                continue;
            };
            let shown = Arc::new(Shown::new(&certificate.key));
            table.all.push(Arc::clone(&shown));
            if table.default.is_none() && set.default.is_some_and(|default| default <= at) {
                table.default = Some(Arc::clone(&shown));
            }
            for name in certificate.names() {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut table.wildcard, parent),
                    None => (&mut table.exact, name.as_ref()),
                };
                names.entry(name.into()).or_insert_with(|| Arc::clone(&shown));
            }
        }
        table
    }

    /// Exact before wildcard before default. A wildcard stands for exactly one label (RFC 9525 section 6.3).
    fn choose(&self, name: Option<&str>) -> Option<&Arc<Shown>> {
        let Some(name) = name else { return self.default.as_ref() };
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let named = self.exact.get(name).or_else(|| self.wildcard.get(parent?));
        if named.is_some() {
            return named;
        }
        // A certificate that the client must distrust is worse than a clear word that there is none.
        let is_awaited = !self.awaited.is_empty()
            && (self.awaited.contains(name)
                || parent.is_some_and(|parent| self.awaited.contains(&*format!("*.{parent}"))));
        if is_awaited { None } else { self.default.as_ref() }
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls gives the name in lower case.
        let table = self.table.load();
        table.choose(hello.server_name()).map(|shown| shown.show(self.staples.get()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can leave things half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
