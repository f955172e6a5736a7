//! Signatures of Windows files, by osslsigncode.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::tool;

/// Who signs.
pub(super) enum Signer {
    /// A certificate made for this run: nobody trusts it, but the step is the same.
    Test,
    /// A certificate and key in PEM, and perhaps a service that vouches for the time.
    Real { certificate: PathBuf, key: PathBuf, timestamp: Option<String> },
}

impl Signer {
    /// Signs a program or an installer in place.
    pub(super) fn sign(&self, file: &Path, name: &str, work: &Path) -> Result<()> {
        let (certificate, key, timestamp) = match self {
            Self::Test => {
                let (certificate, key) = test_pair(work)?;
                (certificate, key, None)
            }
            Self::Real { certificate, key, timestamp } => (certificate.clone(), key.clone(), timestamp.as_deref()),
        };
        let signed = work.join("signed");
        let paths = [&certificate, &key, file, &signed].map(|path| path.to_string_lossy().into_owned());
        let [certificate, key, from, to] = &paths;
        let mut words = vec!["sign", "-certs", certificate, "-key", key, "-h", "sha256", "-n", name];
        if let Some(url) = timestamp {
            words.extend(["-ts", url]);
        }
        words.extend(["-in", from, "-out", to]);
        tool::run("osslsigncode", &words)?;
        fs::rename(&signed, file).with_context(|| format!("cannot replace {}", file.display()))?;
        if matches!(self, Self::Test) {
            // The roots of a real certificate are those of Windows; this one is its own root.
            let told = tool::run("osslsigncode", &["verify", "-CAfile", certificate, "-in", from])?;
            ensure!(told.contains("Signature verification: ok"), "the signature of {from} is not good\n{told}");
        }
        Ok(())
    }
}

fn test_pair(work: &Path) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (work.join("signer.pem"), work.join("signer.key"));
    if !certificate.exists() {
        let (cert, private) = (certificate.to_string_lossy(), key.to_string_lossy());
        tool::run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                &private,
                "-out",
                &cert,
                "-days",
                "2",
                "-subj",
                "/CN=Throw-away test signer",
                "-addext",
                "extendedKeyUsage=codeSigning",
                "-addext",
                "keyUsage=digitalSignature",
            ],
        )?;
    }
    Ok((certificate, key))
}
