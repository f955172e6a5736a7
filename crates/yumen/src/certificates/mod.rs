//! Certificates that the gateway obtains and renews itself.
//!
//! What is on the disk is served at once, before a listener opens. Then each certificate has a task of its own on the control
//! side (`keep`), which orders it when it is missing or due. Nothing here can refuse a configuration or hold one up: what
//! fails says so in the status and is tried again, and until a certificate stands the clients that ask for its names are
//! refused. `installed` is the one place through which every certificate goes that stands.

mod acme;
mod installed;
mod keep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot};
use yumen_config::config::{Config, Obtained};
use yumen_core::Challenges;
use yumen_identity::challenge::{Http01, TlsAlpn01};
use yumen_identity::{Label, Store};
use yumen_net::tls::Keyring;
use yumen_telemetry::Registry;

use crate::cloud::accounts::Accounts;
use crate::cloud::roster::Roster;
use installed::Standing;
use keep::{Order, Task};

/// The folder in the state directory.
const FOLDER: &str = "identity";
/// How many orders are under way at a time: CAs count them.
const AT_ONCE: usize = 4;

/// All certificates that are obtained.
pub(crate) struct Certificates {
    tools: Arc<Tools>,
    running: Roster<Kept>,
    posts: Mutex<BTreeMap<String, mpsc::UnboundedSender<Order>>>,
}

/// What every task works with.
struct Tools {
    keyring: Arc<Keyring>,
    http: Http01,
    tls: TlsAlpn01,
    registry: Arc<Registry>,
    accounts: Arc<Accounts>,
    /// A permit for each order.
    orders: Semaphore,
}

/// A certificate and where it is kept. Another one of these is another task.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    section: Arc<Obtained>,
    /// `None`: there is no folder that can be written to.
    folder: Option<PathBuf>,
}

/// HTTP-01 as the data path asks for it.
struct Texts(Http01);

impl Challenges for Texts {
    fn answer(&self, path: &str) -> Option<String> {
        self.0.answer(path)
    }
}

impl Certificates {
    /// None yet.
    pub(crate) fn new(registry: Arc<Registry>, accounts: Arc<Accounts>) -> Self {
        let (http, tls) = (Http01::default(), TlsAlpn01::default());
        let keyring = Arc::new(Keyring::new(Arc::new(tls.clone())));
        let orders = Semaphore::new(AT_ONCE);
        let tools = Arc::new(Tools { keyring, http, tls, registry, accounts, orders });
        Self { tools, running: Roster::default(), posts: Mutex::default() }
    }

    /// Where listeners find them.
    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.tools.keyring)
    }

    /// What plain listeners show to a CA.
    pub(crate) fn challenges(&self) -> Arc<dyn Challenges> {
        Arc::new(Texts(self.tools.http.clone()))
    }

    /// Serves what is on the disk and is not served yet. Comes before listeners open.
    pub(crate) async fn load(&self, config: &Config, state_dir: Option<&Path>) {
        let tools = Arc::clone(&self.tools);
        let all: Vec<Kept> = kept(config, state_dir).collect();
        let loaded = tokio::task::spawn_blocking(move || {
            for kept in all.iter().filter(|kept| tools.is_missing(&kept.section)) {
                tools.load(kept);
            }
        });
        if let Err(error) = loaded.await {
            tracing::error!(%error, "certificates on the disk were not read");
        }
    }

    /// Keeps those of a configuration that was put in force, and no others.
    pub(crate) fn commit(&self, config: &Config, state_dir: Option<&Path>) {
        let all = &config.cloud.certificates;
        self.tools.keyring.retain(|name| all.contains_key(name));
        let mut posts = self.posts();
        posts.retain(|name, _| all.contains_key(name.as_str()));
        let wanted = kept(config, state_dir).map(|kept| (kept.section.name.to_string(), Arc::new(kept)));
        self.running.set(wanted, |name, kept| {
            let (post, orders) = mpsc::unbounded_channel();
            posts.insert(name.to_owned(), post);
            Task::new(Arc::clone(&self.tools), Arc::clone(kept), orders).run()
        });
    }

    /// Renews one: at once and in any case by `now`, else when it is due, or waits for a pause after a failure. The answer
    /// comes when that ended.
    pub(crate) async fn renew(&self, name: &str, now: bool) -> Result<Value, String> {
        let (done, outcome) = oneshot::channel();
        let sent = match self.posts().get(name) {
            Some(post) => post.send(Order { now, done }).is_ok(),
            None => return Err(format!("there is no certificate `{name}` in the configuration")),
        };
        match outcome.await {
            Ok(ended) if sent => ended.map(|is_new| json!({"name": name, "is_new": is_new})),
            _ => Err("the configuration has changed meanwhile; ask again".to_owned()),
        }
    }

    fn posts(&self) -> MutexGuard<'_, BTreeMap<String, mpsc::UnboundedSender<Order>>> {
        // Nothing under the lock can leave it half changed.
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The certificates of a configuration, each with its place.
fn kept(config: &Config, state_dir: Option<&Path>) -> impl Iterator<Item = Kept> {
    config
        .cloud
        .certificates
        .values()
        .map(move |section| Kept { section: Arc::clone(section), folder: folder(section, state_dir) })
}

/// Where a certificate is kept.
pub(crate) fn folder(section: &Obtained, state_dir: Option<&Path>) -> Option<PathBuf> {
    section.authority.store.clone().or_else(|| Some(state_dir?.join(FOLDER)))
}

impl Tools {
    fn is_missing(&self, section: &Obtained) -> bool {
        self.keyring.cell(section.name.as_str()).certificate().is_none()
    }

    /// Serves a certificate from the disk, if it is there. What is wrong with it is told by the task that mends it. Blocks.
    fn load(&self, kept: &Kept) {
        // Opening makes the folder, which the task does.
        let Some(folder) = kept.folder.as_ref().filter(|folder| folder.is_dir()) else { return };
        let name = kept.section.name.as_str();
        let found = Label::parse(name).and_then(|label| Store::open(folder)?.certificate(&label));
        match found {
            Ok(Some(certificate)) => self.installed(&kept.section, &certificate, Standing::Found),
            Ok(None) => {}
            Err(error) => tracing::warn!(certificate = name, "{error}"),
        }
    }
}
