//! Certificates for others: the store of certificates (CAS) and the object store (OSS), and the round that brings every
//! new certificate to a place until it is there.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use yumen_alibaba::api::cas;
use yumen_alibaba::api::oss::Bucket;
use yumen_alibaba::{Client, Error, Secret};
use yumen_net::{os, rt};
use yumen_telemetry::Duty;

use crate::rhythm::Rhythm;

/// The longest time between two attempts.
const LONGEST: Duration = Duration::from_secs(300);
/// The media type of PEM (RFC 8555 section 9.1 has it for chains).
const MEDIA_TYPE: &str = "application/pem-certificate-chain";

/// A certificate as plain text. `Debug` does not show the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// The chain in PEM, leaf first.
    pub chain: String,
    /// Its private key in PEM.
    pub key: Secret,
}

impl Material {
    /// What tells this certificate from others: the SHA-256 of its chain in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.chain).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What a place did with a certificate.
pub type Doing<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

/// A place where certificates are brought.
pub trait Place: Send + Sync + 'static {
    /// What and where it is, for people, and so that another place is not taken for this one.
    fn label(&self) -> String;

    /// Whether the certificate is there no more, though it was brought. Asked once, at the start. Blocks for as long as
    /// the disk takes.
    fn has_lost(&self, _: &Material) -> bool {
        false
    }

    /// Brings it there; to bring it twice does no harm. Returns what there is to say.
    fn bring<'a>(&'a self, material: &'a Material) -> Doing<'a>;
}

/// What was brought where, as it is remembered.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Brought {
    place: String,
    fingerprint: String,
}

/// Brings a certificate to a place whenever there is a new one, and again and again until it is there. `memory` is the file
/// that remembers it, so that a restart does not bring everything once more; without one it does.
pub async fn run(
    place: Arc<dyn Place>,
    mut certificates: watch::Receiver<Option<Arc<Material>>>,
    memory: Option<PathBuf>,
    duty: Duty,
) {
    let mut rhythm = Rhythm::new(LONGEST);
    let label = place.label();
    duty.fact("place", serde_json::Value::from(label.as_str()));
    let mut words = None;
    let mut done = recall(memory.clone()).await;
    let mut is_judged = false;
    loop {
        let Some(material) = certificates.borrow_and_update().clone() else {
            if certificates.changed().await.is_err() {
                return;
            }
            continue;
        };
        let wanted = Brought { place: label.clone(), fingerprint: material.fingerprint() };
        // What was brought by an earlier process may be gone since.
        if !std::mem::replace(&mut is_judged, true) && done.as_ref() == Some(&wanted) {
            let (place, material) = (Arc::clone(&place), Arc::clone(&material));
            if rt::compute(move || place.has_lost(&material)).await.unwrap_or(true) {
                done = None;
            }
        }
        if done.as_ref() == Some(&wanted) {
            duty.well(words.take().unwrap_or_else(|| format!("{label} has it")));
            duty.next(None);
            if certificates.changed().await.is_err() {
                return;
            }
            continue;
        }
        match place.bring(&material).await {
            Ok(told) => {
                words = Some(told);
                rhythm.pause(true);
                remember(memory.clone(), &wanted).await;
                done = Some(wanted);
            }
            Err(why) => {
                duty.failing(format!("{label}: {why}"));
                let pause = rhythm.pause(false);
                duty.next(rt::wall().checked_add(pause));
                // A newer certificate is brought at once.
                let _either = rt::timeout(pause, certificates.changed()).await;
            }
        }
    }
}

async fn recall(memory: Option<PathBuf>) -> Option<Brought> {
    let read = rt::compute(move || serde_json::from_slice(&std::fs::read(memory?).ok()?).ok());
    read.await.ok().flatten()
}

async fn remember(memory: Option<PathBuf>, brought: &Brought) {
    let (Some(path), Ok(text)) = (memory, serde_json::to_vec(brought)) else { return };
    let shown = path.display().to_string();
    let written = rt::compute(move || replace(&path, &text)).await;
    if !matches!(written, Ok(Ok(()))) {
        tracing::warn!("{shown} cannot be written; after a restart the certificate is brought once more");
    }
}

fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        os::private_folder(folder)?;
    }
    let beside = path.with_extension("new");
    // What a process left that died while it wrote.
    drop(std::fs::remove_file(&beside));
    os::create_private(&beside, text)?;
    os::replace(&beside, path)
}

/// The store of certificates of an account.
pub struct Store {
    /// The account.
    pub client: Client,
    /// What certificates are called there; each has a part of its fingerprint behind that.
    pub name: String,
    /// How many old ones stay. Those that are more are deleted once they have expired; `None`: none is.
    pub keep: Option<usize>,
}

/// How much of a fingerprint stands in a name.
const DIGITS: usize = 16;
/// How long a name may be.
const LONGEST_NAME: usize = 63;

impl Store {
    /// The name of a certificate: the same one has the same name, so it is not uploaded twice.
    fn name_of(&self, material: &Material) -> String {
        let short: String = self.name.chars().take(LONGEST_NAME - DIGITS - 1).collect();
        let digits: String = material.fingerprint().chars().take(DIGITS).collect();
        format!("{short}-{digits}")
    }

    async fn upload(&self, material: &Material) -> Result<String, Error> {
        let name = self.name_of(material);
        let all = cas::uploaded(&self.client).await?;
        let there = all.iter().find(|certificate| certificate.name == name).map(|c| c.certificate_id);
        let id = match there {
            Some(id) => id,
            None => match cas::upload(&self.client, &name, &material.chain, &material.key).await {
                // The answer to an earlier attempt was lost.
                Err(error) if error.is(&["NameRepeat"]) => {
                    let all = cas::uploaded(&self.client).await?;
                    all.iter().find(|c| c.name == name).map(|c| c.certificate_id).ok_or(error)?
                }
                other => other?,
            },
        };
        let deleted = self.tidy(&name, all).await?;
        let told = if deleted > 0 { format!(", {deleted} old ones deleted") } else { String::new() };
        Ok(format!("{name} is {}{told}", cas::identifier(id)))
    }

    /// Deletes expired ones of this name beyond those to keep. Whether another product still has one that has not expired
    /// cannot be asked, so those stay.
    async fn tidy(&self, current: &str, all: Vec<cas::Certificate>) -> Result<usize, Error> {
        let Some(keep) = self.keep else { return Ok(0) };
        let mut old: Vec<_> = all.into_iter().filter(|c| c.name != current && is_sibling(&c.name, current)).collect();
        old.sort_by_key(|certificate| std::cmp::Reverse(certificate.certificate_id));
        let mut deleted = 0;
        for certificate in old.into_iter().skip(keep).filter(|certificate| certificate.expired) {
            cas::delete(&self.client, certificate.certificate_id).await?;
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// Whether two names differ in their fingerprints only.
fn is_sibling(name: &str, current: &str) -> bool {
    let parts = |name: &str| -> Option<(String, String)> {
        name.rsplit_once('-').map(|(name, digits)| (name.to_owned(), digits.to_owned()))
    };
    let (Some((name, digits)), Some((current, _))) = (parts(name), parts(current)) else { return false };
    name == current && digits.len() == DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Place for Store {
    fn label(&self) -> String {
        format!("CAS in {} as {}", self.client.region(), self.name)
    }

    fn bring<'a>(&'a self, material: &'a Material) -> Doing<'a> {
        Box::pin(async move { self.upload(material).await.map_err(|error| error.to_string()) })
    }
}

/// A bucket of an account.
pub struct Objects {
    /// The account.
    pub client: Client,
    /// The bucket.
    pub bucket: String,
    /// What objects begin with: `NAME.pem` follows for the chain, `NAME.key` for the key.
    pub prefix: String,
    /// The name of the certificate.
    pub name: String,
    /// Whether the key is put there too.
    pub key: bool,
}

impl Place for Objects {
    fn label(&self) -> String {
        let key = if self.key { " with its key" } else { "" };
        format!("oss://{}/{}{}{key}", self.bucket, self.prefix, self.name)
    }

    fn bring<'a>(&'a self, material: &'a Material) -> Doing<'a> {
        Box::pin(async move {
            let bucket = Bucket::new(self.client.clone(), &self.bucket);
            let (prefix, name) = (&self.prefix, &self.name);
            if self.key {
                let key = material.key.reveal().to_owned().into_bytes().into();
                bucket.put(&format!("{prefix}{name}.key"), key, "application/x-pem-file").await.map_err(told)?;
            }
            // The chain last: who sees it finds its key.
            let chain = material.chain.clone().into_bytes().into();
            bucket.put(&format!("{prefix}{name}.pem"), chain, MEDIA_TYPE).await.map_err(told)?;
            Ok(format!("{} was put", self.label()))
        })
    }
}

fn told(error: Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Shelf {
        brought: Mutex<Vec<String>>,
        refuse: AtomicU32,
        lost: bool,
    }

    impl Place for Shelf {
        fn label(&self) -> String {
            "shelf".to_owned()
        }

        fn has_lost(&self, _: &Material) -> bool {
            self.lost
        }

        fn bring<'a>(&'a self, material: &'a Material) -> Doing<'a> {
            Box::pin(async {
                if self.refuse.load(Ordering::Relaxed) > 0 {
                    self.refuse.fetch_sub(1, Ordering::Relaxed);
                    return Err("full".to_owned());
                }
                self.brought.lock().unwrap().push(material.chain.clone());
                Ok("there".to_owned())
            })
        }
    }

    fn material(chain: &str) -> Option<Arc<Material>> {
        Some(Arc::new(Material { chain: chain.to_owned(), key: Secret::new("k".to_owned()) }))
    }

    async fn all_of(shelf: &Shelf, wanted: &[&str]) {
        while *shelf.brought.lock().unwrap() != wanted {
            rt::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn each_certificate_is_brought_once_and_until_it_is_there_and_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Some(folder.path().join("deploy/www.1.json"));
        let registry = yumen_telemetry::Registry::new(1);
        let start = |shelf: &Arc<Shelf>, of: &watch::Sender<_>, name| {
            let duty = registry.duty("deploy", name);
            tokio::spawn(run(Arc::clone(shelf) as _, of.subscribe(), memory.clone(), duty))
        };
        let (sender, _held) = watch::channel(None);
        let shelf = Arc::new(Shelf { refuse: AtomicU32::new(1), ..Shelf::default() });
        let first = start(&shelf, &sender, "one");
        sender.send_replace(material("a"));
        all_of(&shelf, &["a"]).await;
        sender.send_replace(material("b"));
        all_of(&shelf, &["a", "b"]).await;
        drop(sender);
        first.await.unwrap();

        let (sender, _held) = watch::channel(material("b"));
        let again = Arc::new(Shelf::default());
        let second = start(&again, &sender, "two");
        sender.send_replace(material("c"));
        all_of(&again, &["c"]).await;
        second.abort();

        // What is there no more is brought though it is remembered.
        let (sender, _held) = watch::channel(material("c"));
        let emptied = Arc::new(Shelf { lost: true, ..Shelf::default() });
        let third = start(&emptied, &sender, "three");
        all_of(&emptied, &["c"]).await;
        third.abort();
    }

    #[test]
    fn only_certificates_of_the_same_name_are_ones_own() {
        let current = "www-0123456789abcdef";
        for (name, is_own) in [
            ("www-fedcba9876543210", true),
            ("www-2-fedcba9876543210", false),
            ("www-2026", false),
            ("www-fedcba987654321X", false),
            ("www", false),
        ] {
            assert_eq!(is_sibling(name, current), is_own, "{name}");
        }
    }
}
