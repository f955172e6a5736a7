//! The command line of `cargo xtask dist`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::sign::Signer;
use super::tool;

/// What this program runs on, for which packages are made when nothing else is said.
pub(super) const HOST: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// What the Windows packages are made from.
pub(super) const WINDOWS: &str = "x86_64-pc-windows-gnu";

pub(super) const USAGE: &str = "\
usage: cargo xtask dist [OPTION]...
       cargo xtask dist --check     as CI does: the debug program in every package, each looked into

  --target TRIPLE        what for; default: this host's Linux. A Windows target makes the Windows packages
  --profile NAME         the cargo profile to build with; default: release
  --binary PATH          pack this program instead of building one
  --host-binary PATH     a yumen that runs here, to make completions and manual pages with; default: the packed one, or for
                         another system than this a debug build
  --version V            default: the version of the workspace
  --out DIR              where to; default: target/dist
  --url URL              where the files of the release will be found, with {version}; makes the winget and Scoop manifests
  --sign-cert FILE --sign-key FILE [--sign-timestamp URL]
                         sign the Windows program and its installer
  --sign-test            sign with a certificate made for this run and then thrown away
  --verify               look at everything that was made with the tools that will install it
";

/// What was asked for.
pub(super) struct Options {
    pub(super) target: String,
    pub(super) profile: String,
    pub(super) binary: Option<PathBuf>,
    pub(super) host_binary: Option<PathBuf>,
    pub(super) version: String,
    pub(super) out: PathBuf,
    pub(super) url: Option<String>,
    pub(super) signer: Option<Signer>,
    pub(super) verify: bool,
}

impl Options {
    /// `None` when the usage was asked for.
    pub(super) fn parse(words: &[String]) -> Result<Option<Self>> {
        let mut options = Self {
            target: HOST.to_owned(),
            profile: "release".to_owned(),
            binary: None,
            host_binary: None,
            version: String::new(),
            out: crate::root()?.join("target/dist"),
            url: None,
            signer: None,
            verify: false,
        };
        let (mut certificate, mut key, mut timestamp) = (None, None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--target" => options.target = value()?,
                "--profile" => options.profile = value()?,
                "--binary" => options.binary = Some(value()?.into()),
                "--host-binary" => options.host_binary = Some(value()?.into()),
                "--version" => options.version = value()?,
                "--out" => options.out = std::path::absolute(value()?)?,
                "--url" => options.url = Some(value()?.trim_end_matches('/').to_owned()),
                "--sign-cert" => certificate = Some(PathBuf::from(value()?)),
                "--sign-key" => key = Some(PathBuf::from(value()?)),
                "--sign-timestamp" => timestamp = Some(value()?),
                "--sign-test" => options.signer = Some(Signer::Test),
                "--verify" => options.verify = true,
                other => bail!("there is no option `{other}`\n\n{USAGE}"),
            }
        }
        match (certificate, key) {
            (Some(certificate), Some(key)) => options.signer = Some(Signer::Real { certificate, key, timestamp }),
            (None, None) => {}
            _ => bail!("--sign-cert and --sign-key belong together"),
        }
        if options.version.is_empty() {
            options.version = tool::workspace_version()?;
        }
        ensure!(is_version(&options.version), "`{}` is not a version like 1.2.3 or 1.2.3-rc.1", options.version);
        Ok(Some(options))
    }
}

/// Three numbers, and perhaps the name of a pre-release: what every format can carry.
fn is_version(text: &str) -> bool {
    let (numbers, rest) = text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
    // An MSI has one byte, one byte and two bytes for them.
    let limits = [255_u32, 255, 65535];
    let parts: Vec<&str> = numbers.split('.').collect();
    let is_number = |part: &str, limit: u32| {
        let plain = part == "0" || !part.starts_with('0');
        plain && part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u32>().is_ok_and(|n| n <= limit)
    };
    let is_name = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    parts.len() == limits.len()
        && parts.iter().zip(limits).all(|(part, limit)| is_number(part, limit))
        && rest.is_none_or(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_some_format_cannot_carry_are_refused() {
        for good in ["0.1.0", "1.20.300", "1.0.0-rc.1", "255.255.65535"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1.0", "1.0.0.0", "256.0.0", "1.0.65536", "01.0.0", "1.0.0-", "1.0.0-a_b", "1.0.x", "1.0.0/.."]
        {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn half_a_signer_is_refused() {
        let words = ["--version", "1.0.0", "--sign-cert", "a.pem"].map(str::to_owned);
        let refused = Options::parse(&words).err().map(|e| e.to_string());
        assert!(refused.is_some_and(|e| e.contains("--sign-key")));
    }
}
