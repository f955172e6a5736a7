//! The program anew in the place of the one that runs: the new process gets every listening socket, says when it serves, and
//! only then does the old one begin to leave.
//!
//! Both accept for a moment, each serves what it accepted, and no socket is closed in between: no connection is refused or
//! lost. A new process that does not come up changes nothing.

use std::time::Duration;

use serde_json::{Value, json};
use yumen_net::rt;

use crate::reload::Gateway;

/// How long a new process may take until it serves.
const PATIENCE: Duration = Duration::from_secs(60);

impl Gateway {
    /// Starts a successor and waits until it serves. After that this process has to leave.
    pub(crate) async fn succeed(&self) -> Result<Value, String> {
        let program = &self.program;
        let failed = |error: &dyn std::fmt::Display| format!("cannot upgrade to {}: {error}", program.path().display());
        let mut parcels = self.proxy.parcels().await.map_err(|e| failed(&e))?;
        parcels.extend(self.process.parcel().map_err(|e| failed(&e))?);
        tracing::info!(program = %program.path().display(), sockets = parcels.len(), "starting a new process to take over");
        let mut successor = program.start(&parcels).map_err(|e| failed(&e))?;
        drop(parcels);
        let outcome = rt::timeout(PATIENCE, successor.confirmed()).await;
        let why = match outcome {
            Ok(Ok(version)) => {
                let process = successor.id();
                tracing::info!(process, version, "the new process serves; this one leaves");
                if let Some(process) = process {
                    self.supervisor.succeeded_by(process);
                }
                return Ok(json!({ "process": process, "version": version }));
            }
            Ok(Err(why)) => why,
            Err(_) => format!("it did not serve within {PATIENCE:?}"),
        };
        successor.end().await;
        let why = failed(&why);
        tracing::error!("{why}; this process goes on");
        Err(why)
    }
}
