//! The status of a certificate, told by its authority in a form that a server can show in its handshakes (OCSP, RFC 6960;
//! stapling, RFC 6066 section 8).
//!
//! [`Question`] is what there is to ask about a certificate, [`ask`](Question::ask) asks its responder, and
//! [`judge`](Question::judge) takes nothing for an answer that a client would not: signature, certificate, times and status.

mod fetch;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sha1::{Digest as _, Sha1};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, Null, ObjectIdentifier, OctetString};
use x509_cert::der::oid::AssociatedOid as _;
use x509_cert::der::{Decode as _, Encode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse, OcspResponseStatus, Request,
    ResponderId, SingleResponse, TbsRequest,
};

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// `id-ad-ocsp`.
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// `id-pe-tlsfeature` (RFC 7633).
const TLS_FEATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");
/// `status_request` among the features of TLS, as an INTEGER of DER.
const STATUS_REQUEST: [u8; 3] = [2, 1, 5];
/// `id-kp-OCSPSigning` as the content of an OBJECT IDENTIFIER.
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
/// How far clocks may differ.
const SKEW: Duration = Duration::from_secs(300);
/// How long an answer is good that does not say so: newer ones can be had at any time.
const UNTOLD: Duration = Duration::from_secs(3600);

/// What there is to ask about a certificate.
pub struct Question {
    url: String,
    request: Vec<u8>,
    id: CertId,
    issuer: CertificateDer<'static>,
    issuer_name: x509_cert::name::Name,
    issuer_key_hash: Vec<u8>,
}

/// An answer that is good to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staple {
    /// The answer as it came.
    pub response: Vec<u8>,
    /// From when it is.
    pub from: SystemTime,
    /// Until when it may be shown.
    pub until: SystemTime,
}

impl Staple {
    /// When a newer one should be asked for: at half of its life.
    #[must_use]
    pub fn renewal(&self) -> SystemTime {
        self.from + self.until.duration_since(self.from).unwrap_or_default() / 2
    }
}

/// Whether clients are told to insist on an answer for this certificate (Must-Staple, RFC 7633).
#[must_use]
pub fn must_staple(leaf: &CertificateDer<'_>) -> bool {
    let Ok(leaf) = Certificate::from_der(leaf) else { return false };
    let extensions = leaf.tbs_certificate.extensions.unwrap_or_default();
    extensions
        .iter()
        .filter(|extension| extension.extn_id == TLS_FEATURE)
        .any(|extension| extension.extn_value.as_bytes().windows(3).any(|part| part == STATUS_REQUEST))
}

impl Question {
    /// What to ask about the first certificate of a chain; `None` when it names no responder.
    ///
    /// # Errors
    /// A certificate cannot be read, or the one that signed it does not follow it.
    pub fn of_chain(chain: &[CertificateDer<'_>]) -> Result<Option<Self>, String> {
        let parse = |der: &CertificateDer<'_>| {
            Certificate::from_der(der).map_err(|error| format!("a certificate cannot be read: {error}"))
        };
        let leaf = parse(chain.first().ok_or("there is no certificate")?)?;
        let Some(url) = responder(&leaf) else { return Ok(None) };
        let above = chain.get(1).ok_or("the certificate of its authority does not follow it in the file; append it")?;
        let issuer = parse(above)?;
        if issuer.tbs_certificate.subject != leaf.tbs_certificate.issuer {
            return Err("the certificate that follows it in the file is not that of its authority".to_owned());
        }
        let name = issuer.tbs_certificate.subject.clone();
        let key = issuer.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes();
        let told = |error: x509_cert::der::Error| format!("the question cannot be written: {error}");
        let id = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA1, parameters: Some(Any::from(Null)) },
            issuer_name_hash: hash(&name.to_der().map_err(told)?).map_err(told)?,
            issuer_key_hash: hash(key).map_err(told)?,
            serial_number: leaf.tbs_certificate.serial_number,
        };
        let request = OcspRequest {
            tbs_request: TbsRequest {
                request_list: vec![Request { req_cert: id.clone(), single_request_extensions: None }],
                ..TbsRequest::default()
            },
            optional_signature: None,
        };
        Ok(Some(Self {
            url,
            request: request.to_der().map_err(told)?,
            issuer: above.clone().into_owned(),
            issuer_name: name,
            issuer_key_hash: id.issuer_key_hash.as_bytes().to_vec(),
            id,
        }))
    }

    /// Who is asked.
    #[must_use]
    pub fn responder(&self) -> &str {
        &self.url
    }

    /// Asks the responder. Waits for 10 seconds at most.
    ///
    /// # Errors
    /// There is no answer, or not one of HTTP with status 200. It is not judged yet.
    pub async fn ask(&self) -> Result<Vec<u8>, String> {
        fetch::post(&self.url, &self.request).await
    }

    /// Judges an answer as a client would, and more strictly: only "good" passes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self, response: &[u8], now: SystemTime) -> Result<Staple, String> {
        let whole = OcspResponse::from_der(response).map_err(|error| format!("the answer cannot be read: {error}"))?;
        if whole.response_status != OcspResponseStatus::Successful {
            return Err(format!("the responder answers {:?}", whole.response_status));
        }
        let bytes = whole.response_bytes.ok_or("the answer is empty")?;
        if bytes.response_type != BasicOcspResponse::OID {
            return Err(format!("the answer is of the kind {}, which nobody here knows", bytes.response_type));
        }
        let der = bytes.response.as_bytes();
        let basic = BasicOcspResponse::from_der(der).map_err(|error| format!("the answer cannot be read: {error}"))?;
        self.verify(der, &basic, now)?;
        let single = basic.tbs_response_data.responses.iter().find(|single| self.is_about(&single.cert_id));
        let single = single.ok_or("the answer is about another certificate")?;
        match &single.cert_status {
            CertStatus::Good(_) => times(single, response, now),
            CertStatus::Revoked(info) => {
                let on = time(&info.revocation_time).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                Err(format!("THE CERTIFICATE IS REVOKED, since second {on} of 1970; obtain another one"))
            }
            CertStatus::Unknown(_) => Err("the responder does not know the certificate".to_owned()),
        }
    }

    fn is_about(&self, id: &CertId) -> bool {
        // Parameters of the hash may be there or not.
        id.hash_algorithm.oid == self.id.hash_algorithm.oid
            && id.issuer_name_hash == self.id.issuer_name_hash
            && id.issuer_key_hash == self.id.issuer_key_hash
            && id.serial_number == self.id.serial_number
    }

    /// RFC 6960 section 4.2.2.2: signed by the authority itself, or by whom it named for that.
    fn verify(&self, der: &[u8], basic: &BasicOcspResponse, now: SystemTime) -> Result<(), String> {
        let who = &basic.tbs_response_data.responder_id;
        if is_named(who, &self.issuer_name, &self.issuer_key_hash) {
            return signed_by(&self.issuer, der, basic);
        }
        let delegates = basic.certs.iter().flatten().filter(|certificate| {
            let tbs = &certificate.tbs_certificate;
            let key = Sha1::digest(tbs.subject_public_key_info.subject_public_key.raw_bytes());
            is_named(who, &tbs.subject, &key)
        });
        let mut why = "the answer is signed by somebody who is neither the authority nor in the answer".to_owned();
        for delegate in delegates {
            let delegate = delegate.to_der().map_err(|error| error.to_string())?;
            let delegate = CertificateDer::from(delegate);
            match self.is_delegate(&delegate, now).and_then(|()| signed_by(&delegate, der, basic)) {
                Ok(()) => return Ok(()),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    fn is_delegate(&self, delegate: &CertificateDer<'_>, now: SystemTime) -> Result<(), String> {
        let told = |error: webpki::Error| format!("the responder is not one that the authority named: {error}");
        let anchors = [anchor_from_trusted_cert(&self.issuer).map_err(told)?];
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let usage = KeyUsage::required(OCSP_SIGNING);
        let certificate = EndEntityCert::try_from(delegate).map_err(told)?;
        certificate.verify_for_usage(algorithms(), &anchors, &[], now, usage, None, None).map(drop).map_err(told)
    }
}

/// Where the status of a certificate is asked for. Only HTTP: what comes is signed, and another certificate would be needed
/// to ask for the status of this one.
fn responder(leaf: &Certificate) -> Option<String> {
    let (_, AuthorityInfoAccessSyntax(places)) = leaf.tbs_certificate.get().ok().flatten()?;
    places.iter().filter(|place| place.access_method == OCSP).find_map(|place| match &place.access_location {
        GeneralName::UniformResourceIdentifier(url) if url.as_str().starts_with("http://") => Some(url.to_string()),
        _ => None,
    })
}

fn hash(bytes: &[u8]) -> Result<OctetString, x509_cert::der::Error> {
    OctetString::new(Sha1::digest(bytes).to_vec())
}

fn is_named(who: &ResponderId, name: &x509_cert::name::Name, key: &[u8]) -> bool {
    match who {
        ResponderId::ByName(named) => named == name,
        ResponderId::ByKey(hash) => hash.as_bytes() == key,
    }
}

fn algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all
}

fn signed_by(signer: &CertificateDer<'_>, der: &[u8], basic: &BasicOcspResponse) -> Result<(), String> {
    let told = |error: x509_cert::der::Error| format!("the answer cannot be read: {error}");
    // What is signed is what came, not what we would write.
    let signed = SliceReader::new(der)
        .and_then(|mut reader| {
            reader.sequence(|inner| {
                let signed = inner.tlv_bytes()?;
                inner.read_slice(inner.remaining_len())?;
                Ok(signed)
            })
        })
        .map_err(told)?;
    let algorithm = &basic.signature_algorithm;
    let mut id = algorithm.oid.to_der().map_err(told)?;
    if let Some(parameters) = &algorithm.parameters {
        id.extend(parameters.to_der().map_err(told)?);
    }
    let signer = EndEntityCert::try_from(signer).map_err(|error| format!("the signer cannot be read: {error}"))?;
    let signature = basic.signature.as_bytes().ok_or("the signature is torn")?;
    let fitting = algorithms().iter().filter(|known| *known.signature_alg_id() == *id.as_slice());
    let mut why = format!("the answer is signed by {}, which is not taken", algorithm.oid);
    for known in fitting {
        match signer.verify_signature(*known, signed, signature) {
            Ok(()) => return Ok(()),
            Err(_) => why = "the signature of the answer is wrong".to_owned(),
        }
    }
    Err(why)
}

fn times(single: &SingleResponse, response: &[u8], now: SystemTime) -> Result<Staple, String> {
    let from = time(&single.this_update);
    if from > now + SKEW {
        return Err("the answer is of the future; check this machine's clock".to_owned());
    }
    let until = single.next_update.as_ref().map_or(from + UNTOLD, time);
    if until <= now {
        return Err("the answer is of the past; a newer one is needed".to_owned());
    }
    Ok(Staple { response: response.to_vec(), from, until })
}

fn time(time: &OcspGeneralizedTime) -> SystemTime {
    UNIX_EPOCH + time.0.to_unix_duration()
}

#[cfg(test)]
mod tests;
