//! What a reload changes beside the data path: the logs, the admin API and the state directory.
//!
//! As everywhere: what can fail is prepared first ([`Process::prepare`]), and only when everything of the new
//! configuration is ready is it put in place ([`Process::commit`]).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use yumen_admin::{AdminServer, Door, Listen, Token};
use yumen_config::config::Config;
use yumen_core::Control;
use yumen_net::os::Parcel;
use yumen_net::rt;
use yumen_telemetry::AccessLog;
use yumen_telemetry::access_log;
use yumen_telemetry::log::{Level, ProcessLog};

use crate::{compose, report};

/// What runs beside the data path.
pub(crate) struct Process {
    log: ProcessLog,
    now: Mutex<Now>,
}

/// As it is at this moment.
#[derive(Default)]
struct Now {
    /// What the configuration said about the state directory, and which one it came to; `None` before the first.
    state: Option<(Option<PathBuf>, Option<PathBuf>)>,
    admin: Option<Desk>,
    /// Of the process that this one takes over from; there is one at the start only.
    handed: Option<Parcel>,
}

/// The admin API as it was asked for.
struct Desk {
    listen: Listen,
    token_file: PathBuf,
    server: AdminServer,
}

/// What is ready to be put in place.
pub(crate) struct Prepared {
    level: Level,
    access: access_log::Change,
    state: (Option<PathBuf>, Option<PathBuf>),
    admin: AdminChange,
}

impl Prepared {
    /// Where the state will be kept, if anywhere.
    pub(crate) fn state_dir(&self) -> Option<&Path> {
        self.state.1.as_deref()
    }
}

enum AdminChange {
    Keep,
    Off,
    Token { file: PathBuf, token: Token },
    Open { listen: Listen, file: PathBuf, token: Token, door: Door },
}

impl Process {
    pub(crate) fn new(log: ProcessLog) -> Self {
        Self { log, now: Mutex::default() }
    }

    /// Takes over the socket of the admin API, if it is among what was handed over and the configuration has that address.
    pub(crate) fn with_handed(self, parcels: Vec<Parcel>) -> Self {
        self.now().handed = parcels.into_iter().next();
        self
    }

    /// The socket of the admin API, for a process that takes over; `None` without an admin API.
    pub(crate) fn parcel(&self) -> io::Result<Option<Parcel>> {
        let parcel = |desk: &Desk| Ok(Parcel { label: label(&desk.listen), socket: desk.server.share()? });
        self.now().admin.as_ref().map(parcel).transpose()
    }

    async fn door(&self, listen: &Listen) -> anyhow::Result<Door> {
        let handed = self.now().handed.take_if(|parcel| parcel.label == label(listen));
        match handed {
            Some(parcel) => Door::adopt(listen, parcel.socket).map_err(whole),
            None => Door::open(listen).await.map_err(whole),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Nothing under the lock can leave it half changed.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the state is kept, if anywhere.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        self.now().state.as_ref().and_then(|(_, dir)| dir.clone())
    }

    /// Where the admin API listens.
    pub(crate) fn admin(&self) -> Option<Listen> {
        self.now().admin.as_ref().map(|a| a.server.listen().clone())
    }

    /// Opens what a configuration asks for. Nothing that runs is touched.
    pub(crate) async fn prepare(&self, config: &Config, access: &AccessLog) -> anyhow::Result<Prepared> {
        let state = self.prepare_state(config)?;
        let (output, format, rotation) = compose::access_log(config);
        Ok(Prepared {
            level: compose::level(config),
            access: access.prepare(output, format, rotation).map_err(whole)?,
            admin: self.prepare_admin(config, state.1.as_deref()).await?,
            state,
        })
    }

    fn prepare_state(&self, config: &Config) -> anyhow::Result<(Option<PathBuf>, Option<PathBuf>)> {
        let before = self.now().state.clone();
        let opened = match before {
            Some(same) if same.0 == config.state_dir => return Ok(same),
            // A running gateway refuses what it cannot use; a start does not fail over it.
            Some(_) => Some(compose::open_state_dir(config)?),
            None => compose::open_state_dir(config)
                .inspect_err(|error| tracing::warn!("{error:#}; the last good configuration is not kept"))
                .ok(),
        };
        Ok((config.state_dir.clone(), opened))
    }

    async fn prepare_admin(&self, config: &Config, state_dir: Option<&Path>) -> anyhow::Result<AdminChange> {
        let Some(wanted) = &config.admin else {
            return Ok(if self.now().admin.is_some() { AdminChange::Off } else { AdminChange::Keep });
        };
        let before = self.now().admin.as_ref().map(|a| (a.listen.clone(), a.token_file.clone()));
        let listen = compose::admin_listen(&wanted.listen);
        let file = match (state_dir, &before) {
            (Some(dir), _) => compose::token_file(config, dir),
            (None, Some((_, file))) if wanted.token_file.is_none() => file.clone(),
            (None, _) if wanted.token_file.is_some() => compose::token_file(config, Path::new("")),
            (None, _) => compose::token_file(config, &private_dir()?),
        };
        match before {
            Some((same, of)) if same == listen && of == file => Ok(AdminChange::Keep),
            Some((same, _)) if same == listen => Ok(AdminChange::Token { token: open_token(&file)?, file }),
            _ => {
                let token = open_token(&file)?;
                Ok(AdminChange::Open { door: self.door(&listen).await?, listen, file, token })
            }
        }
    }

    /// Puts in place what was prepared. Needs the control runtime under it.
    pub(crate) fn commit(&self, prepared: Prepared, access: &AccessLog, control: Arc<dyn Control>) {
        if let Err(error) = self.log.set_level(prepared.level) {
            tracing::error!(%error, "the level of the process log stays as it was");
        }
        access.commit(prepared.access);
        let mut now = self.now();
        now.handed = None;
        now.state = Some(prepared.state);
        let old = match prepared.admin {
            AdminChange::Keep => None,
            AdminChange::Off => now.admin.take(),
            AdminChange::Token { file, token } => {
                if let Some(desk) = &mut now.admin {
                    desk.server.set_token(token);
                    desk.token_file = file;
                }
                None
            }
            AdminChange::Open { listen, file, token, door } => {
                let server = AdminServer::serve(door, token, control);
                now.admin.replace(Desk { listen, token_file: file, server })
            }
        };
        if let Some(old) = old {
            tracing::info!(listen = %old.server.listen(), "the admin API has left this address");
            // Who asked for this reload may be connected there and still waits for the answer.
            drop(rt::spawn(old.server.stop()));
        }
    }

    /// Ends the admin API.
    pub(crate) async fn stop(&self) {
        let admin = self.now().admin.take();
        if let Some(admin) = admin {
            admin.server.stop().await;
        }
    }
}

/// How a successor knows the socket of the admin API.
fn label(listen: &Listen) -> String {
    format!("admin {}", listen.to_string().replace('%', "%25").replace(';', "%3B"))
}

fn open_token(file: &Path) -> anyhow::Result<Token> {
    Token::open(file).map_err(whole)
}

/// An error that says its cause itself, so that it is not said twice.
fn whole(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// A new directory for a process that has no other. Making it fails when there is one, so nobody can have laid it out
/// for us.
fn private_dir() -> anyhow::Result<PathBuf> {
    let name = format!("yumen-{}-{}", std::process::id(), report::seconds(rt::wall()));
    let dir = std::env::temp_dir().join(name);
    yumen_net::os::create_private_folder(&dir)
        .with_context(|| format!("cannot make {}; set `state_dir`", dir.display()))?;
    Ok(dir)
}
