//! What the operating system tells a service: stop, or read the configuration again.
//!
//! The only place of this crate that knows which system it runs on. [`Signals`] are taken once, before anything is
//! started, so that a signal during the start is not lost.

use std::io;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Finish what is in flight and end. The word is the signal's name.
    Stop(&'static str),
    /// Read the configuration again.
    Reload,
}

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{self, SignalKind};

    use super::Signal;

    /// The signals of a Unix system: SIGTERM and SIGINT stop, SIGHUP reloads.
    pub(crate) struct Signals {
        term: unix::Signal,
        int: unix::Signal,
        hup: unix::Signal,
    }

    impl Signals {
        pub(super) fn take() -> io::Result<Self> {
            Ok(Self {
                term: unix::signal(SignalKind::terminate())?,
                int: unix::signal(SignalKind::interrupt())?,
                hup: unix::signal(SignalKind::hangup())?,
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.term.recv() => Signal::Stop("SIGTERM"),
                _ = self.int.recv() => Signal::Stop("SIGINT"),
                _ = self.hup.recv() => Signal::Reload,
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    use tokio::signal::windows::{self, CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};

    use super::Signal;

    /// The events of a Windows console; there is none for a reload.
    pub(crate) struct Signals {
        c: CtrlC,
        brk: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        pub(super) fn take() -> io::Result<Self> {
            Ok(Self {
                c: windows::ctrl_c()?,
                brk: windows::ctrl_break()?,
                close: windows::ctrl_close()?,
                shutdown: windows::ctrl_shutdown()?,
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.c.recv() => Signal::Stop("Ctrl-C"),
                _ = self.brk.recv() => Signal::Stop("Ctrl-Break"),
                _ = self.close.recv() => Signal::Stop("the closing console"),
                _ = self.shutdown.recv() => Signal::Stop("the shutdown of the system"),
            }
        }
    }
}

/// The signals of the process.
pub(crate) struct Signals(system::Signals);

impl Signals {
    /// Takes them from the system's default action. Needs the control runtime under it.
    pub(crate) fn take() -> io::Result<Self> {
        system::Signals::take().map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        self.0.next().await
    }
}

/// Where services of this system keep their state when nobody says otherwise.
pub(crate) fn state_home() -> std::path::PathBuf {
    if cfg!(windows) { r"C:\ProgramData\Yumen".into() } else { "/var/lib/yumen".into() }
}
