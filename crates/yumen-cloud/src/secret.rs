//! Secrets that KMS keeps, for those who use them while the gateway runs.
//!
//! A secret is read at the start, every few minutes, and as soon as its user has reason to think that there is a newer
//! version. While KMS is away the last version goes on being used.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use yumen_alibaba::api::kms::{FollowedSecret, SecretValue};
use yumen_config::config::KmsSecret;
use yumen_net::rt;
use yumen_telemetry::Duty;

use crate::rhythm::Rhythm;

/// How often a secret is read.
pub const EVERY: Duration = Duration::from_secs(300);
/// How soon it is read again when its user asks. Whoever guesses passwords makes users ask.
const SOONEST: Duration = Duration::from_secs(5);

/// Who uses a secret.
pub trait SecretUser: Send + Sync + 'static {
    /// Uses a value from now on; returns what there is to say of it.
    ///
    /// # Errors
    /// It cannot be used, and the one before still is. The error has nothing of the value in it.
    fn take(&self, value: &str) -> Result<String, String>;

    /// Ends when there may be a newer version: something was refused that may be right by it.
    fn doubted(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Follows a secret for as long as it runs.
pub async fn run(secret: KmsSecret, followed: FollowedSecret, user: Arc<dyn SecretUser>, duty: Duty) {
    let mut rhythm = Rhythm::new(EVERY);
    let mut judged: Option<(Arc<SecretValue>, Result<String, String>)> = None;
    loop {
        let is_well = match followed.renewed().await {
            Ok(value) => {
                let same = judged.take().filter(|(before, words)| *before == value && words.is_ok());
                let words = match same {
                    Some((_, words)) => words,
                    None => use_or_previous(&secret, &followed, &value, &*user).await,
                };
                duty.fact("version", serde_json::Value::from(value.version.as_str()));
                match &words {
                    Ok(words) => duty.well(words.clone()),
                    Err(why) => duty.failing(why.clone()),
                }
                let is_well = words.is_ok();
                judged = Some((value, words));
                is_well
            }
            Err(error) => {
                let before = if judged.is_some() { "; the version that was read last is used" } else { "" };
                duty.failing(format!("the secret {secret} cannot be read: {error}{before}"));
                false
            }
        };
        let pause = rhythm.pause(is_well);
        duty.next(rt::wall().checked_add(pause));
        let asked = async {
            rt::sleep(SOONEST).await;
            user.doubted().await;
        };
        // Which of the two ended first does not matter.
        let _either = rt::timeout(pause, asked).await;
    }
}

/// Gives a version to its user, or the one before when it cannot be used: whoever put the new one there made a mistake.
async fn use_or_previous(
    secret: &KmsSecret,
    followed: &FollowedSecret,
    value: &Arc<SecretValue>,
    user: &dyn SecretUser,
) -> Result<String, String> {
    let try_one = |value: &SecretValue| text(value, secret.field.as_deref()).and_then(|text| user.take(&text));
    let why = match try_one(value) {
        Ok(words) => return Ok(words),
        Err(why) => why,
    };
    let problem = format!("version {} of the secret {secret} cannot be used: {why}", value.version);
    match followed.before(value).await {
        Ok(Some(previous)) if try_one(&previous).is_ok() => {
            Err(format!("{problem}; version {} is used, which was in force before", previous.version))
        }
        _ => Err(problem),
    }
}

/// The text that is meant: all of a secret, or one field of the JSON in it.
///
/// # Errors
/// The secret is not text, not JSON, or has no such field; nothing of it is in the error.
pub fn text(value: &SecretValue, field: Option<&str>) -> Result<String, String> {
    let bytes = value.bytes().map_err(|_| "it is said to be Base64 and is not".to_owned())?;
    let whole = String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())?;
    let Some(field) = field else { return Ok(whole) };
    // The message of the parser may quote what it read.
    let object: serde_json::Value = serde_json::from_str(&whole).map_err(|_| "it is not JSON".to_owned())?;
    match object.get(field) {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(serde_json::Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(format!("its field {field} is no text")),
        None => Err(format!("it has no field {field}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(data: &str, is_binary: bool) -> SecretValue {
        SecretValue {
            data: yumen_alibaba::Secret::new(data.to_owned()),
            is_binary,
            version: "1".to_owned(),
            stages: Vec::new(),
            kind: "Generic".to_owned(),
            next_rotation: String::new(),
        }
    }

    #[test]
    fn one_field_of_json_or_all_of_a_secret_is_meant() {
        let json = value(r#"{"AccountPassword": "p", "Port": 1, "List": []}"#, false);
        assert_eq!(text(&json, Some("AccountPassword")).as_deref(), Ok("p"));
        assert_eq!(text(&json, Some("Port")).as_deref(), Ok("1"));
        assert_eq!(text(&json, Some("List")).err().as_deref(), Some("its field List is no text"));
        assert_eq!(text(&json, Some("Other")).err().as_deref(), Some("it has no field Other"));
        assert_eq!(text(&value("hunter2", false), Some("x")).err().as_deref(), Some("it is not JSON"));
        assert_eq!(text(&value("aHVudGVyMg==", true), None).as_deref(), Ok("hunter2"));
        assert!(text(&value("_w==", true), None).is_err() && text(&value("/w==", true), None).is_err());
    }
}
