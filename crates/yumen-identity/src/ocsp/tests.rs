#![cfg(unix)] // The authority is the openssl of a Linux machine, with files of its own.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use rustls::pki_types::pem::PemObject as _;

use super::*;

/// An authority, as openssl plays it.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn start() -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["ca", "stranger"] {
            authority.certify(name, None, "1", &["basicConstraints=critical,CA:TRUE"]);
        }
        authority.certify("delegate", Some("ca"), "2", &["extendedKeyUsage=OCSPSigning"]);
        authority.certify("poser", Some("ca"), "3", &["extendedKeyUsage=serverAuth"]);
        authority.certify("foreign", Some("stranger"), "2", &["extendedKeyUsage=OCSPSigning"]);
        let access = "authorityInfoAccess=OCSP;URI:http://127.0.0.1:1/status";
        authority.certify("good", Some("ca"), "10", &[access, "subjectAltName=DNS:good.test"]);
        authority.certify("revoked", Some("ca"), "11", &[access]);
        authority.certify("unknown", Some("ca"), "12", &[access]);
        authority.certify("plain", Some("ca"), "13", &["tlsfeature=status_request"]);
        let index = "V\t491231235959Z\t\t10\tunknown\t/CN=good\n\
                     R\t491231235959Z\t260101000000Z\t11\tunknown\t/CN=revoked\n";
        std::fs::write(authority.path().join("index.txt"), index).unwrap();
        authority
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(self.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn certify(&self, name: &str, by: Option<&str>, serial: &str, extensions: &[&str]) {
        let (subject, serial) = (format!("/CN={name}"), format!("0x{serial}"));
        let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
        let mut words = vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        words.extend(["-days", "30", "-subj", &subject, "-set_serial", &serial, "-keyout", &key, "-out", &cert]);
        let (above, above_key) = (format!("{}.pem", by.unwrap_or("")), format!("{}.key", by.unwrap_or("")));
        if by.is_some() {
            words.extend(["-CA", &above, "-CAkey", &above_key, "-addext", "basicConstraints=critical,CA:FALSE"]);
        }
        extensions.iter().for_each(|extension| words.extend(["-addext", extension]));
        self.openssl(&words);
    }

    fn read(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path().join(format!("{name}.pem"))).unwrap()
    }

    fn question(&self, name: &str) -> Question {
        Question::of_chain(&[self.read(name), self.read("ca")]).unwrap().unwrap()
    }

    /// The answer to a question, signed by somebody.
    fn answer(&self, question: &Question, by: &str, more: &[&str]) -> Vec<u8> {
        std::fs::write(self.path().join("request.der"), &question.request).unwrap();
        let (signer, key) = (format!("{by}.pem"), format!("{by}.key"));
        let words = ["ocsp", "-index", "index.txt", "-CA", "ca.pem", "-reqin", "request.der", "-respout", "answer.der"];
        self.openssl(&[&words[..], &["-rsigner", &signer, "-rkey", &key], more].concat());
        std::fs::read(self.path().join("answer.der")).unwrap()
    }
}

fn now() -> SystemTime {
    yumen_net::rt::wall()
}

const DAY: &[&str] = &["-ndays", "1"];

#[test]
fn an_answer_of_the_authority_or_of_its_delegate_is_taken() {
    let authority = Authority::start();
    let question = authority.question("good");
    assert_eq!(question.responder(), "http://127.0.0.1:1/status");
    for (signer, more) in [("ca", DAY), ("delegate", DAY), ("delegate", &["-ndays", "1", "-resp_key_id"])] {
        let answer = authority.answer(&question, signer, more);
        let staple = question.judge(&answer, now()).unwrap();
        assert_eq!(staple.response, answer);
        let life = staple.until.duration_since(staple.from).unwrap();
        assert_eq!(life, Duration::from_secs(86_400), "{signer}");
        assert_eq!(staple.renewal(), staple.from + life / 2);
    }
    let answer = authority.answer(&question, "ca", DAY);
    let staple = question.judge(&answer, now()).unwrap();
    assert!(question.judge(&answer, staple.until).unwrap_err().contains("of the past"));
    assert!(question.judge(&answer, staple.from - SKEW * 2).unwrap_err().contains("of the future"));
    let untold = authority.answer(&question, "ca", &[]);
    let staple = question.judge(&untold, now()).unwrap();
    assert_eq!(staple.until, staple.from + UNTOLD);
}

#[test]
fn an_answer_that_a_client_would_refuse_is_refused() {
    let authority = Authority::start();
    let question = authority.question("good");
    let refused = |answer: &[u8]| question.judge(answer, now()).unwrap_err();
    assert!(refused(&authority.answer(&question, "poser", DAY)).contains("not one that the authority named"));
    assert!(refused(&authority.answer(&question, "foreign", DAY)).contains("not one that the authority named"));
    assert!(refused(&authority.answer(&question, "stranger", DAY)).contains("is not one that the authority named"));
    let without = authority.answer(&question, "delegate", &["-ndays", "1", "-resp_no_certs"]);
    assert!(refused(&without).contains("nor in the answer"));
    let of_another = authority.answer(&authority.question("unknown"), "ca", DAY);
    assert!(refused(&of_another).contains("about another certificate"));
    for (name, why) in [("revoked", "REVOKED"), ("unknown", "does not know")] {
        let question = authority.question(name);
        let answer = authority.answer(&question, "ca", DAY);
        assert!(question.judge(&answer, now()).unwrap_err().contains(why), "{name}");
    }
    // Whatever bit is changed, the answer is another one or none.
    let good = authority.answer(&question, "ca", DAY);
    for at in 0..good.len() {
        let mut torn = good.clone();
        torn[at] ^= 1;
        if let Ok(staple) = question.judge(&torn, now()) {
            // The certificates that come along are not signed by the answer.
            let honest = question.judge(&good, now()).unwrap();
            assert_eq!((staple.from, staple.until), (honest.from, honest.until), "byte {at}");
        }
        assert!(question.judge(&good[..at], now()).is_err(), "cut at {at}");
    }
    assert!(refused(&[0x30, 3, 0x0a, 1, 3]).contains("TryLater"));
}

#[test]
fn who_is_asked_stands_in_the_certificate_and_its_authority_behind_it() {
    let authority = Authority::start();
    let (good, plain, ca) = (authority.read("good"), authority.read("plain"), authority.read("ca"));
    assert!(Question::of_chain(&[plain.clone(), ca.clone()]).unwrap().is_none());
    assert!(Question::of_chain(std::slice::from_ref(&good)).err().unwrap().contains("append it"));
    let stranger = authority.read("stranger");
    assert!(Question::of_chain(&[good.clone(), stranger]).err().unwrap().contains("not that of its authority"));
    assert!(Question::of_chain(&[]).is_err());
    assert!(must_staple(&plain) && !must_staple(&good));
}
