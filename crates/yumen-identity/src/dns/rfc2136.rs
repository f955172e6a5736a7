//! Dynamic updates (RFC 2136), signed with a shared key (TSIG, RFC 8945).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode, UpdateMessage as _};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigner};

use super::{Added, Provider, ask};
use crate::challenge::Doing;
use crate::error::Error;
use crate::store::StoredRecord;

pub use hickory_proto::rr::rdata::tsig::TsigAlgorithm;

/// How long a record may be cached, in seconds.
const TTL: u32 = 60;
/// How far the clocks may differ, in seconds (RFC 8945 section 10).
const FUDGE: u16 = 300;
/// How often an update is sent whose answer does not come. It may have been done: once more changes nothing then.
const SENDINGS: u32 = 3;

/// A key that a name server knows, too. `Debug` does not show it.
#[derive(Clone)]
pub struct Tsig {
    /// Its name.
    pub name: String,
    /// HMAC with SHA-256, SHA-384 or SHA-512; the others are refused.
    pub algorithm: TsigAlgorithm,
    /// The secret itself, not its base64 form.
    pub secret: Vec<u8>,
}

impl Tsig {
    /// Takes the secret in base64, as the tools of name servers write it.
    ///
    /// # Errors
    /// It is no base64; the error does not tell it.
    pub fn parse(name: &str, algorithm: TsigAlgorithm, secret: &str) -> Result<Self, Error> {
        let secret = STANDARD
            .decode(secret.trim())
            .map_err(|_| Error::Dns(format!("the secret of the TSIG key `{name}` is no base64")))?;
        Ok(Self { name: name.to_owned(), algorithm, secret })
    }
}

impl fmt::Debug for Tsig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tsig").field("name", &self.name).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A name server that takes updates.
pub struct Rfc2136 {
    label: String,
    server: SocketAddr,
    zone: Option<String>,
    signer: Option<TSigner>,
}

impl Rfc2136 {
    /// Sends updates to `server`, over TCP. Without a `zone` the server is asked which one a name lies in; without a key
    /// updates are not signed.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn new(label: &str, server: SocketAddr, zone: Option<String>, key: Option<Tsig>) -> Result<Self, Error> {
        let signer = key.map(|key| {
            let name = ask::parse(&key.name)?;
            TSigner::new(key.secret, key.algorithm, name, FUDGE)
                .map_err(|error| Error::Dns(format!("the TSIG key `{}` cannot be used: {error}", key.name)))
        });
        Ok(Self { label: label.to_owned(), server, zone, signer: signer.transpose()? })
    }

    async fn zone(&self, name: &Name) -> Result<Name, Error> {
        if let Some(zone) = &self.zone {
            return ask::parse(zone);
        }
        let answer = ask::ask(self.server, name, RecordType::SOA, false).await.map_err(|error| {
            Error::Dns(format!("{} cannot be asked for the zone of `{name}`: {error}", self.server))
        })?;
        let mut records = answer.answers.iter().chain(&answer.authorities);
        let zone = records.find(|record| record.record_type() == RecordType::SOA && record.name.zone_of(name));
        zone.map(|record| record.name.clone())
            .ok_or_else(|| Error::Dns(format!("{} has no zone in which `{name}` lies", self.server)))
    }

    async fn update(&self, name: &str, change: impl FnOnce(Name) -> Record) -> Result<(), Error> {
        let name = ask::parse(name)?;
        let mut zone = Query::query(self.zone(&name).await?, RecordType::SOA);
        zone.set_query_class(DNSClass::IN);
        let mut update = Message::new(rand::random(), MessageType::Query, OpCode::Update);
        update.add_zone(zone);
        update.add_update(change(name.clone()));
        let failed = |reason: String| Error::Dns(format!("{} did not update `{name}`: {reason}", self.server));
        let mut verifier = None;
        if let Some(signer) = &self.signer {
            verifier = update.finalize(signer, now()).map_err(|error| failed(error.to_string()))?;
        }
        let bytes = update.to_vec().map_err(|error| failed(error.to_string()))?;
        let bytes = self.send(&bytes).await.map_err(|error| failed(error.to_string()))?;
        let answer = Message::from_vec(&bytes).map_err(|error| failed(error.to_string()))?;
        if answer.id != update.id || answer.message_type != MessageType::Response {
            return Err(failed("its answer is to something else".to_owned()));
        }
        // A server that does not know the key cannot sign its refusal.
        if answer.response_code != ResponseCode::NoError {
            return Err(failed(format!("it answers {}{}", answer.response_code, self.advice(answer.response_code))));
        }
        if let Some(mut verifier) = verifier {
            verifier
                .verify(&bytes)
                .map_err(|error| failed(format!("its answer is not signed as it has to be: {error}")))?;
        }
        Ok(())
    }

    async fn send(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut sendings = 1;
        loop {
            match ask::over_tcp(self.server, bytes).await {
                Err(error) if sendings < SENDINGS => {
                    tracing::debug!("{} gets an update once more: {error}", self.server);
                    sendings += 1;
                }
                ended => return ended,
            }
        }
    }

    fn advice(&self, code: ResponseCode) -> &'static str {
        match (code, self.signer.is_some()) {
            (ResponseCode::Refused | ResponseCode::NotAuth, false) => "; it may want a TSIG key",
            (ResponseCode::NotAuth, true) => "; compare the zone, the TSIG key, and the clocks",
            (ResponseCode::Refused, true) => "; the key may not be allowed to change this name",
            _ => "",
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a signature carries the date")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn text(name: Name, value: &str) -> Record {
    Record::from_rdata(name, TTL, RData::TXT(TXT::new(vec![value.to_owned()])))
}

impl Provider for Rfc2136 {
    fn label(&self) -> &str {
        &self.label
    }

    fn add<'a>(&'a self, name: &'a str, value: &'a str) -> Doing<'a, Added> {
        Box::pin(async move {
            // Added to those that are there (RFC 2136 section 2.5.1); the same once more changes nothing.
            self.update(name, |name| text(name, value)).await?;
            Ok(Added::default())
        })
    }

    fn remove<'a>(&'a self, record: &'a StoredRecord) -> Doing<'a, ()> {
        Box::pin(self.update(&record.name, |name| {
            // One record of a set (RFC 2136 section 2.5.4): class NONE, no TTL, and what it says.
            let mut gone = text(name, &record.value);
            gone.dns_class = DNSClass::NONE;
            gone.ttl = 0;
            gone
        }))
    }
}
