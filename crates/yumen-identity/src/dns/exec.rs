//! A program of the operator's that adds and removes records.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::{Added, Provider};
use crate::challenge::Doing;
use crate::error::Error;
use crate::store::StoredRecord;

/// How much of what a program says is told on.
const LONGEST_WORDS: usize = 300;

/// Calls `PROGRAM [ARGUMENT...] present|cleanup NAME VALUE`, without a shell. `NAME` has no dot at its end. The program
/// ends with status 0 when the record is there, or gone; it may be called again for the same record.
pub struct Exec {
    label: String,
    program: PathBuf,
    arguments: Vec<String>,
    limit: Duration,
}

impl Exec {
    /// Calls `program` with `arguments` before those of the call, and kills it after `limit`.
    #[must_use]
    pub fn new(label: &str, program: PathBuf, arguments: Vec<String>, limit: Duration) -> Self {
        Self { label: label.to_owned(), program, arguments, limit }
    }

    async fn call(&self, verb: &str, name: &str, value: &str) -> Result<(), Error> {
        let program = self.program.display();
        let failed = |reason: String| Error::Dns(format!("`{program} {verb} {name}` {reason}"));
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .args([verb, name, value])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let output = timeout(self.limit, child.wait_with_output())
            .await
            .map_err(|_| failed(format!("did not end within {} s and was killed", self.limit.as_secs_f32())))?
            .map_err(|error| failed(format!("is lost: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let words: String =
            words.trim().chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST_WORDS).collect();
        Err(failed(format!("failed ({}): {}", output.status, words.replace('\n', "; "))))
    }
}

impl Provider for Exec {
    fn label(&self) -> &str {
        &self.label
    }

    fn add<'a>(&'a self, name: &'a str, value: &'a str) -> Doing<'a, Added> {
        Box::pin(async move {
            self.call("present", name, value).await?;
            Ok(Added::default())
        })
    }

    fn remove<'a>(&'a self, record: &'a StoredRecord) -> Doing<'a, ()> {
        Box::pin(self.call("cleanup", &record.name, &record.value))
    }
}
