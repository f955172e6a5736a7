//! A key that a program prints: mode `External` of the vendor's command line.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;

use super::{CredentialError, Fetching, Provider, read_json};
use crate::{AccessKey, Timestamp};

const NAME: &str = "external program";
const LONGEST: Duration = Duration::from_secs(60);

/// Runs a program, without a shell, and reads what it prints. What it prints elsewhere is not shown, as it may hold keys.
#[derive(Clone)]
pub struct External {
    /// The program and its arguments; quotes keep words together.
    pub command: String,
}

impl std::fmt::Debug for External {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("External")
    }
}

#[derive(Deserialize)]
struct Printed {
    #[serde(default)]
    mode: String,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    access_key_secret: String,
    #[serde(default)]
    sts_token: String,
    #[serde(default)]
    expiration: String,
}

impl External {
    async fn run(&self) -> Result<AccessKey, CredentialError> {
        let words = words(&self.command)
            .ok_or_else(|| CredentialError::failed(NAME, "process_command has a quote without its end"))?;
        let Some((program, arguments)) = words.split_first() else {
            return Err(CredentialError::failed(NAME, "process_command is empty"));
        };
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LONGEST, command.output())
            .await
            .map_err(|_| {
                CredentialError::failed(NAME, format!("{program} did not end within {} s", LONGEST.as_secs()))
            })?
            .map_err(|error| CredentialError::failed(NAME, format!("cannot run {program}: {error}")))?;
        if !output.status.success() {
            return Err(CredentialError::failed(NAME, format!("{program} failed: {}", output.status)));
        }
        printed(&output.stdout)
    }
}

fn printed(text: &[u8]) -> Result<AccessKey, CredentialError> {
    let printed: Printed = read_json(NAME, text)?;
    if printed.access_key_id.is_empty() || printed.access_key_secret.is_empty() {
        return Err(CredentialError::failed(NAME, "it printed no access_key_id or no access_key_secret"));
    }
    if printed.mode == "StsToken" && printed.sts_token.is_empty() {
        return Err(CredentialError::failed(NAME, "it printed mode StsToken without sts_token"));
    }
    let end = Timestamp::parse_iso(&printed.expiration);
    if end.is_none() && !printed.expiration.is_empty() {
        return Err(CredentialError::failed(NAME, "it printed an expiration that is no date"));
    }
    Ok(AccessKey::new(printed.access_key_id, printed.access_key_secret).with_token(printed.sts_token).with_end(end))
}

/// Splits at spaces; `'` and `"` keep what is between them together. `None` when a quote has no end.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if matches!(c, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

impl Provider for External {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.run())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        let split = |text: &str| words(text).unwrap_or_default();
        assert_eq!(split("  a  'b c' d\"e f\" '' "), ["a", "b c", "de f", ""]);
        assert_eq!(words("a 'b"), None);
        assert_eq!(split(""), Vec::<String>::new());
    }

    #[test]
    fn what_is_printed_has_to_be_complete() {
        let key = printed(br#"{"mode":"StsToken","access_key_id":"i","access_key_secret":"s","sts_token":"t","expiration":"2026-01-02T03:04:05Z"}"#);
        assert_eq!(key.map(|key| (key.token.is_some(), key.expires.is_some())), Ok((true, true)));
        for text in [
            "",
            "hush",
            "{}",
            r#"{"access_key_id":"i"}"#,
            r#"{"mode":"StsToken","access_key_id":"i","access_key_secret":"hush"}"#,
            r#"{"access_key_id":"i","access_key_secret":"hush","expiration":"soon"}"#,
        ] {
            let Err(error) = printed(text.as_bytes()) else { panic!("{text}") };
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
