//! Reads the vectors of `tests/vectors`; its README tells how they were made.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use yumen_alibaba::{AccessKey, Draft};

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

pub fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

/// The vectors of a file, each with its key; `None` for a call that is not signed.
pub fn vectors(name: &str) -> Vec<(Value, Option<AccessKey>)> {
    let file = read(name);
    let keys = file["credentials"].clone();
    let list = file["vectors"].as_array().unwrap().clone();
    list.into_iter()
        .map(|vector| {
            let key = match &vector["credentials"] {
                Value::Null => None,
                Value::String(name) => Some(key(&keys[name])),
                inline => Some(key(inline)),
            };
            (vector, key)
        })
        .collect()
}

fn key(value: &Value) -> AccessKey {
    AccessKey::new(text(&value["access_key_id"]), text(&value["access_key_secret"]))
        .with_token(value["security_token"].as_str().unwrap_or_default())
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub fn pairs(value: &Value) -> Vec<(String, String)> {
    let list = value.as_array().unwrap();
    list.iter().map(|pair| (text(&pair[0]).to_owned(), text(&pair[1]).to_owned())).collect()
}

/// The request of a vector as a draft, without its `authorization`.
pub fn draft(vector: &Value) -> Draft {
    let request = &vector["request"];
    let method = method(text(&request["method"]));
    let mut draft = Draft::new(method, "", text(&request["path"]));
    draft.query = pairs(&request["query"]);
    for (name, value) in pairs(&request["headers"]) {
        match name.to_ascii_lowercase().as_str() {
            "host" => draft.host = value,
            "authorization" => {}
            name => draft.headers.set(name, value),
        }
    }
    draft.body = STANDARD.decode(text(&request["body_base64"])).unwrap().into();
    draft
}

pub fn method(name: &str) -> &'static str {
    ["GET", "POST", "PUT", "DELETE", "HEAD"].into_iter().find(|known| *known == name).unwrap()
}

/// The pairs of a form, as the server reads them: `+` is a space.
pub fn form(body: &str) -> Vec<(String, String)> {
    let decode =
        |text: &str| String::from_utf8(yumen_alibaba::encode::decode(&text.replace('+', "%20")).unwrap()).unwrap();
    body.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map(|(name, value)| (decode(name), decode(value))).unwrap())
        .collect()
}
