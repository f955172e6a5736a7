//! Basic authentication (RFC 7617) against htpasswd lines: bcrypt and argon2.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use yumen_config::config::Secret;
use yumen_core::{Answer, Error, Exchange, Middleware, Next, Request, Response, Side, Stage};
use yumen_telemetry::reasons;

/// How many passwords that were found right are remembered: a hash is made to be slow, and browsers send the password with
/// every request. What is remembered is a digest under a key of this process, never the password.
const REMEMBERED: usize = 1024;

pub(super) struct BasicAuth {
    users: HashMap<String, String>,
    challenge: String,
    salt: [u8; 32],
    right: Mutex<Vec<[u8; 32]>>,
}

impl BasicAuth {
    pub(super) fn build(file: Option<&Path>, users: &[Secret], realm: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).map_err(|e| format!("password file {}: {e}", file.display()))?;
            lines.extend(text.lines().map(str::to_owned));
        }
        for user in users {
            lines.extend(user.resolve().map_err(|e| e.to_string())?.lines().map(str::to_owned));
        }
        let mut table = HashMap::new();
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, hash)) = line.split_once(':') else {
                return Err(format!("password line {} has no colon; write NAME:HASH", number + 1));
            };
            if !hash.starts_with("$2") && !hash.starts_with("$argon2") {
                return Err(format!("the password of {name} is not hashed by bcrypt or argon2; use htpasswd -B"));
            }
            table.insert(name.to_owned(), hash.to_owned());
        }
        let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", realm.replace(['"', '\\'], ""));
        Ok(Self { users: table, challenge, salt: rand::random(), right: Mutex::default() })
    }

    fn digest(&self, credentials: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.salt).chain_update(credentials).finalize().into()
    }

    fn is_right(&self, credentials: &str) -> bool {
        let digest = self.digest(credentials);
        if self.right.lock().is_ok_and(|right| right.contains(&digest)) {
            return true;
        }
        let Some((name, password)) = credentials.split_once(':') else { return false };
        // An unknown name costs as much as a wrong password, or its absence could be timed.
        let known = self.users.get(name);
        let hash = known.map_or("$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", String::as_str);
        let right = verify(password, hash) && known.is_some();
        if right && let Ok(mut remembered) = self.right.lock() {
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.push(digest);
        }
        right
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
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, mut request: Request, next: Next<'a>) -> Answer<'a> {
        let given = credentials(&request);
        let right = given.as_deref().is_some_and(|c| self.is_right(c));
        if right {
            let name = given.as_deref().and_then(|c| c.split_once(':')).map(|(name, _)| name.into());
            exchange.user = name;
            request.fields.remove("authorization");
            return next.run(exchange, request);
        }
        let reason = if given.is_some() { reasons::AUTH_FAILED } else { reasons::AUTH_REQUIRED };
        exchange.failed(&Error::new(Side::Client, Stage::Middleware, reason));
        let mut response = Response::text(401, "text/plain; charset=utf-8", "401 Unauthorized\n");
        response.fields.add("WWW-Authenticate", self.challenge.as_bytes());
        Box::pin(async { Ok(response) })
    }
}
