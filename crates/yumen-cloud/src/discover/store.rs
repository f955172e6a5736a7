//! What was found last, kept for a start while the cloud is away.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use yumen_config::config::Discover;
use yumen_core::{Discovered, DiscoveredEndpoint};

/// The form of the file.
const FORMAT: u64 = 1;

/// The place of one upstream.
#[derive(Clone, Debug)]
pub struct Store {
    file: PathBuf,
}

impl Store {
    /// The place of an upstream beneath a state directory.
    #[must_use]
    pub fn new(state: &Path, upstream: &str) -> Self {
        // A name may be a reserved one on Windows: it never stands at the beginning.
        Self { file: state.join("discovered").join(format!("upstream-{upstream}.json")) }
    }

    /// Keeps what was found, in one step. Blocks.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn keep(&self, section: &Discover, known: &Discovered) -> io::Result<()> {
        let endpoint =
            |e: &DiscoveredEndpoint| json!({"id": &*e.id, "addr": e.addr, "weight": e.weight, "labels": &*e.labels});
        let kept = json!({
            "format": FORMAT,
            "of": section.to_string(),
            "version": known.version,
            "endpoints": known.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        });
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let fresh = self.file.with_extension(format!("{}.new", std::process::id()));
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        yumen_net::os::create_private(&fresh, kept.to_string().as_bytes())?;
        yumen_net::os::replace(&fresh, &self.file).inspect_err(|_| {
            // The first error is the one to tell.
            std::fs::remove_file(&fresh).unwrap_or_default();
        })
    }

    /// What was kept for this section; `None`: nothing, or for another one. Blocks.
    #[must_use]
    pub fn load(&self, section: &Discover) -> Option<Discovered> {
        let kept: Value = serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()?;
        if kept["format"] != FORMAT || kept["of"] != section.to_string() {
            return None;
        }
        let endpoints = kept["endpoints"].as_array()?.iter().map(read).collect::<Option<_>>()?;
        Some(Discovered { version: kept["version"].as_u64()?, endpoints })
    }
}

fn read(one: &Value) -> Option<DiscoveredEndpoint> {
    let labels: BTreeMap<String, String> = serde_json::from_value(one["labels"].clone()).ok()?;
    Some(DiscoveredEndpoint {
        id: Arc::from(one["id"].as_str()?),
        addr: one["addr"].as_str()?.parse().ok()?,
        weight: one["weight"].as_u64().and_then(|weight| u32::try_from(weight).ok())?.min(65535),
        labels: Arc::new(labels),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn section(port: u16) -> Arc<Discover> {
        let text = format!(
            "listeners: {{l: {{bind: \":1\", protocol: tcp, upstream: u}}}}\n\
             alibaba: {{default: {{region: cn-hangzhou}}}}\n\
             upstreams: {{u: {{discover: {{ecs: {{vpc: vpc-1, port: {port}}}}}}}}}\n"
        );
        let loaded = yumen_config::parse_str("test", &text, &|_| None).unwrap();
        loaded.config.upstreams.values().next().unwrap().discover.clone().unwrap()
    }

    #[test]
    fn what_was_kept_comes_back_for_the_same_section_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), "u");
        assert_eq!(store.load(&section(80)), None);
        let labels = Arc::new(BTreeMap::from([("zone".to_owned(), "z-1".to_owned())]));
        let endpoint =
            DiscoveredEndpoint { id: Arc::from("i-1"), addr: "[fd00::1]:80".parse().unwrap(), weight: 3, labels };
        let known = Discovered { version: 4, endpoints: vec![endpoint] };
        store.keep(&section(80), &known).unwrap();
        store.keep(&section(80), &known).unwrap();
        assert_eq!(store.load(&section(80)), Some(known));
        assert_eq!(store.load(&section(81)), None, "another section may mean other servers");
        std::fs::write(folder.path().join("discovered/upstream-u.json"), "{").unwrap();
        assert_eq!(store.load(&section(80)), None);
    }
}
