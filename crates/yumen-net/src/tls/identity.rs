//! What a client's certificate says of its owner. rustls has verified it and tells nothing of this.

use std::net::IpAddr;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_cert::der::Decode;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use yumen_core::{AlternativeName, ClientCertificate};

use super::validity;

/// The owner of the first certificate of a chain; `None` when there is none.
///
/// A certificate that the verifier took and that cannot be read here keeps its fingerprint and nothing else, so that no rule
/// about a name holds for it.
pub(super) fn client(chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
    let (leaf, rest) = chain.split_first()?;
    let (not_before, not_after) = validity::validity(leaf).unwrap_or_default();
    let mut client = ClientCertificate {
        fingerprint: hexadecimal(&Sha256::digest(leaf)),
        not_before,
        not_after,
        der: leaf.as_ref().into(),
        chain: rest.iter().map(|der| der.as_ref().into()).collect(),
        ..ClientCertificate::default()
    };
    match x509_cert::Certificate::from_der(leaf) {
        Ok(certificate) => describe(&mut client, &certificate),
        Err(error) => tracing::debug!(%error, fingerprint = %client.fingerprint, "a client certificate cannot be read"),
    }
    Some(client)
}

/// The owner of certificates in PEM, his own first. Nothing is verified: for explanations, not for access.
///
/// # Errors
/// What is wrong with the text.
pub fn describe_client(pem: &str) -> Result<ClientCertificate, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.map_err(|e| format!("the client's certificate is malformed PEM ({e})"))?;
    client(&chain).ok_or_else(|| "the client's certificate is not in PEM".to_owned())
}

fn describe(client: &mut ClientCertificate, certificate: &x509_cert::Certificate) {
    let tbs = &certificate.tbs_certificate;
    client.subject = tbs.subject.to_string().into();
    client.common_name = common_name(&tbs.subject);
    client.issuer = tbs.issuer.to_string().into();
    client.serial = hexadecimal(tbs.serial_number.as_bytes());
    if let Ok(Some((_, SubjectAltName(names)))) = tbs.get::<SubjectAltName>() {
        client.names = names.iter().filter_map(alternative).collect();
    }
}

fn common_name(name: &Name) -> Option<Box<str>> {
    const COMMON_NAME: x509_cert::der::oid::ObjectIdentifier =
        x509_cert::der::oid::ObjectIdentifier::new_unwrap("2.5.4.3");
    let values = name.0.iter().flat_map(|rdn| rdn.0.iter()).filter(|a| a.oid == COMMON_NAME).map(|a| &a.value);
    let text = |value: &x509_cert::der::Any| -> Option<Box<str>> {
        let utf8 = Utf8StringRef::try_from(value).map(|s| s.as_str().into());
        let printable = || PrintableStringRef::try_from(value).map(|s| s.as_str().into());
        utf8.or_else(|_| printable()).or_else(|_| Ia5StringRef::try_from(value).map(|s| s.as_str().into())).ok()
    };
    values.filter_map(text).next_back()
}

fn alternative(name: &GeneralName) -> Option<AlternativeName> {
    Some(match name {
        GeneralName::DnsName(name) => AlternativeName::Dns(name.as_str().to_ascii_lowercase().into()),
        GeneralName::UniformResourceIdentifier(name) => AlternativeName::Uri(name.as_str().into()),
        GeneralName::Rfc822Name(name) => AlternativeName::Email(name.as_str().into()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            AlternativeName::Ip(v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()?)
        }
        _ => return None,
    })
}

fn hexadecimal(bytes: &[u8]) -> Box<str> {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber};

    use super::*;

    #[test]
    fn names_and_numbers_of_a_certificate_are_told() {
        let mut params = CertificateParams::new(vec!["Ann.Test".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::OrganizationName, "A, \u{e9}\n");
        params.distinguished_name.push(DnType::CommonName, "ann");
        params.subject_alt_names.push(SanType::URI("spiffe://a/b".try_into().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
        params.serial_number = Some(SerialNumber::from(vec![0x0a, 0xbc]));
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2050, 1, 1);
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let client = client(&[der.clone(), der.clone()]).unwrap();
        // The most specific comes first, and nothing in a name passes for another one.
        assert_eq!(&*client.subject, "CN=ann,O=A\\, \u{e9}\\0a,C=DE");
        assert_eq!((&client.subject, client.common_name.as_deref()), (&client.issuer, Some("ann")));
        let names = [
            AlternativeName::Dns("ann.test".into()),
            AlternativeName::Uri("spiffe://a/b".into()),
            AlternativeName::Ip("2001:db8::1".parse().unwrap()),
        ];
        assert_eq!(client.names, names);
        assert_eq!((&*client.serial, client.not_before, client.not_after), ("0abc", 1_577_836_800, 2_524_608_000));
        assert_eq!((&*client.der, client.chain.len(), client.fingerprint.len()), (&*der, 1, 64));
    }

    #[test]
    fn certificate_that_cannot_be_read_has_no_name() {
        assert_eq!(client(&[]), None);
        let unread = client(&[CertificateDer::from(vec![0x30, 0])]).unwrap();
        assert!(unread.subject.is_empty() && unread.names.is_empty() && unread.fingerprint.len() == 64);
    }
}
