//! Basic authentication (RFC 7617) against htpasswd lines: bcrypt and argon2.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};
use yumen_config::config::Secret;
use yumen_core::{Answer, Error, Exchange, Middleware, Next, Reason, Request, Response, Side, Stage};
use yumen_net::rt;
use yumen_telemetry::reasons;

use crate::vault::{self, Cell, Unknown, Users, Vault};

/// How many passwords that were found right are remembered: a hash is made to be slow, and browsers send the password with
/// every request. What is remembered is a digest under a key of this process, never the password.
const REMEMBERED: usize = 1024;
/// How many passwords may wait to be checked. Each costs tens of milliseconds of a processor, so a longer queue would only
/// be a longer wait, and a way to use up memory.
const WAITING: usize = 256;
/// What is compared with when nobody of that name exists: it must cost as much as a wrong password, or absence could be timed.
const NOBODY: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

pub(super) struct BasicAuth {
    /// Where a user is looked for, the last first: what is written later stands in for what is written before.
    layers: Vec<Layer>,
    challenge: String,
    salt: [u8; 32],
    right: Mutex<FxHashSet<[u8; 32]>>,
    waiting: AtomicUsize,
}

/// Users of one origin.
enum Layer {
    /// Of the configuration and its files.
    Fixed(Users),
    /// Of a secret that is kept elsewhere.
    Kept(Arc<Cell>),
}

impl BasicAuth {
    pub(super) fn build(file: Option<&Path>, users: &[Secret], realm: &str, vault: &Vault) -> Result<Self, String> {
        let read = |text: &str| vault::parse(text).map_err(|wrong| wrong.told());
        let mut layers = Vec::new();
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).map_err(|e| format!("password file {}: {e}", file.display()))?;
            layers.push(Layer::Fixed(read(&text)?));
        }
        for user in users {
            let layer = match user {
                Secret::Kms(secret) => Layer::Kept(vault.cell(secret)),
                Secret::Literal(_) | Secret::File(_) => {
                    Layer::Fixed(read(&user.resolve().map_err(|e| e.to_string())?)?)
                }
            };
            match (layers.last_mut(), layer) {
                (Some(Layer::Fixed(before)), Layer::Fixed(more)) => before.extend(more),
                (_, layer) => layers.push(layer),
            }
        }
        let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", realm.replace(['"', '\\'], ""));
        Ok(Self { layers, challenge, salt: rand::random(), right: Mutex::default(), waiting: AtomicUsize::new(0) })
    }

    fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Fixed(_) => None,
            Layer::Kept(cell) => Some(cell),
        })
    }

    /// The hash of a user's password. While a secret was never read, nobody of it gets in, and nobody either whom it may
    /// stand in for.
    fn hash(&self, name: &str) -> Result<Option<Arc<str>>, Unknown> {
        for layer in self.layers.iter().rev() {
            let found = match layer {
                Layer::Fixed(users) => users.get(name).cloned(),
                Layer::Kept(cell) => cell.hash(name)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Credentials under the versions of the secrets: what one found right has to be found right by the next one too.
    fn digest(&self, credentials: &str) -> [u8; 32] {
        let mut digest = Sha256::new().chain_update(self.salt);
        for cell in self.cells() {
            digest.update(cell.number().to_be_bytes());
        }
        digest.chain_update(credentials).finalize().into()
    }

    fn remembers(&self, digest: &[u8; 32]) -> bool {
        self.right.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn remember(&self, digest: [u8; 32]) {
        let mut remembered = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest);
    }

    /// Whether a password is right, found out on a thread of its own: a hash is made to be slow, and everybody else on this
    /// worker would wait for it.
    async fn check(&self, credentials: &str) -> Result<bool, Error> {
        let Some((name, password)) = credentials.split_once(':') else { return Ok(false) };
        let _place = Place::take(&self.waiting)?;
        let known =
            self.hash(name).map_err(|Unknown| Error::new(Side::Us, Stage::Middleware, reasons::AUTH_UNAVAILABLE))?;
        let (is_known, password) = (known.is_some(), password.to_owned());
        let hash = known.unwrap_or_else(|| Arc::from(NOBODY));
        // A check that panicked has not found the password right.
        let right = rt::compute(move || verify(&password, &hash)).await.unwrap_or(false);
        Ok(right && is_known)
    }

    fn admit<'a>(exchange: &'a mut Exchange, mut request: Request, next: Next<'a>, given: &str) -> Answer<'a> {
        exchange.user = given.split_once(':').map(|(name, _)| name.into());
        request.fields.remove("authorization");
        next.run(exchange, request)
    }

    fn challenge(&self, exchange: &mut Exchange, reason: Reason) -> Response {
        exchange.failed(&Error::new(Side::Client, Stage::Middleware, reason));
        let mut response = Response::text(401, "text/plain; charset=utf-8", "401 Unauthorized\n");
        response.fields.add("WWW-Authenticate", self.challenge.as_bytes());
        response
    }
}

/// A place in the queue of passwords to be checked.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, Error> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Relaxed) < WAITING {
            return Ok(place);
        }
        Err(Error::new(Side::Us, Stage::Middleware, reasons::AUTH_BUSY))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn verify(password: &str, hash: &str) -> bool {
    if hash.starts_with("$argon2") {
        use argon2::PasswordVerifier;
        return argon2::PasswordHash::new(hash)
            .is_ok_and(|hash| argon2::Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    }
    bcrypt::verify(password, hash).unwrap_or(false)
}

fn credentials(request: &Request) -> Option<String> {
    let value = request.fields.first_text("authorization")?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()
}

impl Middleware for BasicAuth {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, request: Request, next: Next<'a>) -> Answer<'a> {
        let given = credentials(&request);
        let digest = given.as_deref().map(|given| self.digest(given));
        Box::pin(async move {
            let (Some(given), Some(digest)) = (given, digest) else {
                return Ok(self.challenge(exchange, reasons::AUTH_REQUIRED));
            };
            if !self.remembers(&digest) {
                if !self.check(&given).await? {
                    // It may be right by a version that is newer than the one we have.
                    self.cells().for_each(|cell| cell.doubt());
                    return Ok(self.challenge(exchange, reasons::AUTH_FAILED));
                }
                self.remember(digest);
            }
            Self::admit(exchange, request, next, &given).await
        })
    }
}
