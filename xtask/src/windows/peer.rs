//! Runs programs of this machine for tests that run in Wine; the other end is `ci/windows/peer.rs`.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};

/// What a stand-in may say before it is taken for somebody else.
const LONGEST: u32 = 1 << 20;

/// What a stand-in takes for a process that is none of ours.
const UNKNOWN: i32 = 3;

/// The programs that run, by the process of their stand-in.
type Running = Arc<Mutex<HashMap<String, u32>>>;

fn known(running: &Running) -> MutexGuard<'_, HashMap<String, u32>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A door on loopback for the stand-ins. It stays open until this process ends.
pub(super) struct Door {
    pub(super) port: u16,
    /// Who does not know it gets nothing: others of this machine reach the port too.
    pub(super) token: String,
}

impl Door {
    /// `wine` is the folder whose `dosdevices` say where the drives lead.
    pub(super) fn open(wine: &Path) -> Result<Self> {
        let mut bits = [0; 16];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bits))
            .context("no random bits")?;
        let token: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for the stand-ins")?;
        let port = listener.local_addr()?.port();
        let (secret, wine) = (token.clone(), wine.to_owned());
        let running = Running::default();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (secret, wine, running) = (secret.clone(), wine.clone(), Arc::clone(&running));
                // A stand-in that goes away ends the conversation; nobody is left to tell.
                thread::spawn(move || drop(serve(stream, &secret, &wine, &running)));
            }
        });
        Ok(Self { port, token })
    }
}

fn serve(mut stream: TcpStream, secret: &str, wine: &Path, running: &Running) -> io::Result<()> {
    let count = number(&mut stream)?;
    let mut words = Vec::new();
    for _ in 0..count.min(LONGEST) {
        let length = number(&mut stream)?;
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes)?;
        words.push(String::from_utf8_lossy(&bytes).into_owned());
        // The first one is the token.
        if words[0] != secret {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
    }
    let [_, folder, of, name, arguments @ ..] = words.as_slice() else { return Err(io::ErrorKind::InvalidData.into()) };
    let out = Arc::new(Mutex::new(stream.try_clone()?));
    if name == "kill" {
        send(&out, 3, &kill(arguments, running).to_le_bytes())?;
        // Closing with its input unread would be a reset, and the answer lost.
        return io::copy(&mut stream, &mut io::sink()).map(|_| ());
    }
    let started = Command::new(program(name))
        .args(arguments.iter().map(|word| here(word, wine)))
        .current_dir(here(folder, wine))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let code = match started {
        Ok(child) => {
            known(running).insert(of.clone(), child.id());
            let code = attend(child, stream, &out);
            known(running).remove(of);
            code?
        }
        Err(error) => {
            send(&out, 2, format!("cannot run {name}: {error}\n").as_bytes())?;
            127
        }
    };
    send(&out, 3, &code.to_le_bytes())
}

/// Carries input and output of a program until it ends.
fn attend(mut child: Child, mut stream: TcpStream, out: &Arc<Mutex<TcpStream>>) -> io::Result<i32> {
    let (mut input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (over, id) = (Arc::new(AtomicBool::new(false)), child.id());
    let is_over = Arc::clone(&over);
    thread::spawn(move || {
        while let Ok(length) = number(&mut stream) {
            let mut bytes = vec![0; length.min(LONGEST) as usize];
            if stream.read_exact(&mut bytes).is_err() {
                break;
            }
            // A program that reads no further is no fault.
            match &mut input {
                Some(pipe) if !bytes.is_empty() => drop(pipe.write_all(&bytes)),
                _ => input = None,
            }
        }
        // The stand-in was killed, and so is what it stands for.
        if !is_over.load(Relaxed) {
            drop(Command::new("kill").args(["-KILL", &id.to_string()]).status());
        }
    });
    thread::scope(|scope| {
        scope.spawn(|| output.map(|pipe| pump(pipe, 1, out)));
        scope.spawn(|| errors.map(|pipe| pump(pipe, 2, out)));
    });
    let status = child.wait()?;
    over.store(true, Relaxed);
    Ok(status.code().unwrap_or(126))
}

fn pump(mut from: impl Read, kind: u8, out: &Mutex<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => send(out, kind, &buffer[..length])?,
        }
    }
}

fn send(out: &Mutex<TcpStream>, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let mut frame = vec![kind];
    frame.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    frame.extend(bytes);
    out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&frame)
}

fn number(from: &mut TcpStream) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// A word as it is written here: `C:\folder\file` is a file beneath the drive's folder, also behind `@` and `--key=`.
fn here(word: &str, wine: &Path) -> String {
    let at = if word.starts_with('@') { 1 } else { word.find('=').map_or(0, |at| at + 1) };
    let (before, path) = word.split_at(at);
    let mut letters = path.chars();
    match (letters.next(), letters.next(), letters.next()) {
        (Some(drive), Some(':'), Some('\\' | '/')) if drive.is_ascii_alphabetic() => {
            let (drive, rest) = (drive.to_ascii_lowercase(), letters.as_str().replace('\\', "/"));
            // Without the colon that the drive has in its folder's name: curl takes it for the end of one.
            match drive {
                'c' => format!("{before}{}/drive_c/{rest}", wine.display()),
                'z' => format!("{before}/{rest}"),
                _ => format!("{before}{}/dosdevices/{drive}:/{rest}", wine.display()),
            }
        }
        _ => word.to_owned(),
    }
}

/// The program of a name. Another python than the system's does not have the packages of Debian.
fn program(name: &str) -> &str {
    const PYTHON: &str = "/usr/bin/python3";
    if name == "python3" && Path::new(PYTHON).exists() { PYTHON } else { name }
}

/// Sends a signal to the program that a stand-in stands for.
fn kill(arguments: &[String], running: &Running) -> i32 {
    let [name, stand_in] = arguments else { return UNKNOWN };
    let Some(id) = known(running).get(stand_in).copied() else { return UNKNOWN };
    let sent = Command::new("kill").args([name, &id.to_string()]).status();
    i32::from(!sent.is_ok_and(|status| status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_drive_lead_into_its_folder_and_other_words_stay() {
        let wine = Path::new("/w");
        assert_eq!(here(r"C:\users\me\a b.pem", wine), "/w/drive_c/users/me/a b.pem");
        assert_eq!(here("Z:/tmp/x", wine), "/tmp/x");
        assert_eq!(here(r"@C:\x", wine), "@/w/drive_c/x");
        assert_eq!(here(r"--hosts=C:\x", wine), "--hosts=/w/drive_c/x");
        for word in ["h:80", "http://h/", "-o", "", "é:\\", "a=b", "@", "me@h:/x"] {
            assert_eq!(here(word, wine), word);
        }
    }
}
