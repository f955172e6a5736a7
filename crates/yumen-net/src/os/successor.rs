//! Handing listening sockets to another process of the same program (Unix).
//!
//! The old process starts the new one with descriptors that stay open over `exec`, and names them in the environment: the
//! number of the parent, of a line between the two, and of each socket with a label. The new one says on the line that it
//! serves, or why it does not; a line that ends without a word means that it died.
#![expect(unsafe_code, reason = "descriptors are passed by their numbers only")]

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::Stdio;

use socket2::Socket;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::Parcel;

/// What the new process finds in its environment.
const VARIABLE: &str = "YUMEN_PREDECESSOR";
/// The first word on the line when all is well.
const SERVES: &str = "serves";
/// What is read of a complaint, in bytes.
const COMPLAINT: u64 = 64 * 1024;

/// A process that was started to take over.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    line: UnixStream,
}

impl Successor {
    /// Starts it with the sockets. They stay open here as well.
    ///
    /// # Errors
    /// The program cannot be started, or there are no descriptors left.
    pub fn start(program: &Path, arguments: &[OsString], parcels: &[Parcel]) -> io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut numbers = vec![theirs.as_raw_fd()];
        let mut text = format!("{};{}", std::process::id(), theirs.as_raw_fd());
        for Parcel { label, socket } in parcels {
            text.push_str(&format!(";{}={label}", socket.as_raw_fd()));
            numbers.push(socket.as_raw_fd());
        }
        let mut command = Command::new(program);
        command.args(arguments).env(VARIABLE, text).stdin(Stdio::null());
        // Of the service manager: what it passed is passed on by us, and the sign of life it wants is asked of whoever
        // is its main process now.
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        // SAFETY: between fork and exec only fcntl is called, which is safe there; the numbers are of descriptors that
        // this function keeps open until the child has been started.
        unsafe {
            command.pre_exec(move || numbers.iter().try_for_each(|number| keep_over_exec(*number)));
        }
        let child = command.spawn()?;
        drop(theirs);
        Ok(Self { child, line: UnixStream::from_std(ours)? })
    }

    /// Its process id; `None` once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it serves, and answers with its version. The error is its own account of why it does not, or says that it
    /// gave none.
    ///
    /// # Errors
    /// A text for the operator.
    pub async fn confirmed(&mut self) -> Result<String, String> {
        let mut word = String::new();
        let read = (&mut self.line).take(COMPLAINT).read_to_string(&mut word).await;
        if let Err(error) = read {
            return Err(format!("the line to the new process broke: {error}"));
        }
        match word.trim() {
            "" => Err("the new process ended without a word; its log says more".to_owned()),
            word => match word.strip_prefix(SERVES) {
                Some(version) => Ok(version.trim().to_owned()),
                None => Err(word.to_owned()),
            },
        }
    }

    /// Ends it. What cannot be ended has ended already.
    pub async fn end(mut self) {
        self.child.kill().await.unwrap_or_default();
    }
}

fn keep_over_exec(number: RawFd) -> io::Result<()> {
    // SAFETY: fcntl takes any number; one that is not open is an error.
    if unsafe { libc::fcntl(number, libc::F_SETFD, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The process that this one takes over from.
#[derive(Debug)]
pub struct Predecessor {
    line: StdStream,
}

impl Predecessor {
    /// Takes what the environment speaks of; `None` when it names no process, or not the one that started this one.
    ///
    /// Once per process, before anything else opens descriptors.
    ///
    /// # Errors
    /// A descriptor that is spoken of is not open.
    pub fn meet(environment: impl Fn(&str) -> Option<String>) -> io::Result<Option<(Self, Vec<Parcel>)>> {
        let Some(text) = environment(VARIABLE) else { return Ok(None) };
        let mut words = text.split(';');
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
        let (Some(parent), Some(line)) = (number(), number()) else { return Ok(None) };
        if parent != std::os::unix::process::parent_id() {
            return Ok(None);
        }
        let mut parcels = Vec::new();
        for word in words {
            if let Some((number, label)) = word.split_once('=')
                && let Ok(number) = number.parse::<u32>()
            {
                parcels.push(Parcel { label: label.to_owned(), socket: Socket::from(take(number)?) });
            }
        }
        Ok(Some((Self { line: StdStream::from(take(line)?) }, parcels)))
    }

    /// Says that this process serves, and its version. The old one begins to leave then.
    pub fn confirm(self, version: &str) {
        self.say(&format!("{SERVES} {version}"));
    }

    /// Says why this process does not serve. The old one goes on as if nothing had been.
    pub fn give_up(self, why: &str) {
        self.say(why);
    }

    fn say(mut self, word: &str) {
        // One that is gone needs no answer.
        self.line.write_all(word.as_bytes()).unwrap_or_default();
    }
}

/// Takes a descriptor that is open and has no other owner, because the caller asks once.
fn take(number: u32) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: fcntl takes any number; one that is not open is an error. None may get into a child.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just seen to be open, and was handed to this process at its start.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parcel() -> Parcel {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Parcel { label: "tcp 127.0.0.1:0 web".to_owned(), socket: listener.into() }
    }

    fn start(script: &str) -> Successor {
        let arguments = ["-c", script].map(OsString::from);
        Successor::start(Path::new("/bin/bash"), &arguments, &[parcel()]).unwrap()
    }

    /// A shell that says `$WORD` on the line.
    const SAY: &str = r#"IFS=";"; set -- $YUMEN_PREDECESSOR; printf '%s' "$WORD" >&"$2""#;

    #[tokio::test]
    async fn word_on_the_line_is_heard_and_silence_is_death() {
        assert_eq!(start(&format!("WORD='serves 1.2'; {SAY}")).confirmed().await, Ok("1.2".to_owned()));
        let why = start(&format!("WORD='port taken'; {SAY}")).confirmed().await;
        assert_eq!(why, Err("port taken".to_owned()));
        let died = start("exit 1").confirmed().await.unwrap_err();
        assert!(died.contains("without a word"), "{died}");
    }

    #[tokio::test]
    async fn sockets_are_open_in_the_new_process() {
        let script =
            r#"IFS=";"; set -- $YUMEN_PREDECESSOR; test -S /proc/self/fd/${3%%=*} && WORD=serves || WORD=closed; "#;
        assert_eq!(start(&format!("{script}{SAY}")).confirmed().await, Ok(String::new()));
    }

    #[test]
    fn words_of_another_process_are_left_alone() {
        let environment = |text: &str| {
            let text = text.to_owned();
            move |name: &str| (name == VARIABLE).then(|| text.clone())
        };
        for text in ["", "1", "x;y", "0;3;4=web"] {
            assert!(Predecessor::meet(environment(text)).unwrap().is_none(), "{text}");
        }
        assert!(Predecessor::meet(|_| None).unwrap().is_none());
        let parent = std::os::unix::process::parent_id();
        assert!(Predecessor::meet(environment(&format!("{parent};999999"))).is_err());
    }
}
