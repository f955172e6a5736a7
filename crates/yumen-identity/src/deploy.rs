//! Certificates for other programs: files with tight rights, and a command that makes the other program read them.
//!
//! Both files are written beside their places first, so that what can fail has failed before anything is replaced. Then the
//! key and the chain take their places one after the other, and the command runs only when both are there.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use yumen_net::os::{self, FileAccess};

/// How much of the end of what a command says is told on.
const LONGEST_WORDS: usize = 600;

/// Where the files of a certificate go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain, leaf first.
    pub cert: PathBuf,
    /// The private key; where it is the same as `cert`, the key stands behind the chain, as HAProxy reads it.
    pub key: PathBuf,
    /// The chain without the leaf, for programs that take it apart.
    pub chain: Option<PathBuf>,
    /// Who may read them; by default their owner, who is the account of this process.
    pub access: FileAccess,
    /// What runs when they are in place.
    pub command: Option<Program>,
}

/// A program with its arguments; no shell is between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long it may run before it is killed.
    pub limit: Duration,
}

impl Files {
    /// Whether the files say just this. Blocks for as long as the disk takes.
    #[must_use]
    pub fn hold(&self, chain: &str, key: &str) -> bool {
        self.contents(chain, key)
            .iter()
            .all(|(path, text)| std::fs::read(path).is_ok_and(|there| there == text.as_bytes()))
    }

    /// Puts a certificate in place and runs the command.
    ///
    /// # Errors
    /// What failed, on which file or command. When a file cannot be written, all of them stay as they were.
    pub async fn put(&self, chain: &str, key: &str) -> Result<(), String> {
        let (contents, access) = (self.contents(chain, key), self.access.clone());
        let written = tokio::task::spawn_blocking(move || replace_all(&contents, &access)).await;
        written.map_err(|error| format!("writing the files was given up: {error}"))??;
        match &self.command {
            Some(command) => command.run().await,
            None => Ok(()),
        }
    }

    /// What stands in which file; the key first, so that a reader that comes between has the key of the new chain.
    fn contents(&self, chain: &str, key: &str) -> Vec<(PathBuf, String)> {
        let mut all = match self.cert == self.key {
            true => vec![(self.cert.clone(), format!("{}{key}", ended(chain)))],
            false => vec![(self.key.clone(), key.to_owned()), (self.cert.clone(), chain.to_owned())],
        };
        all.extend(self.chain.iter().map(|path| (path.clone(), above_leaf(chain).to_owned())));
        all
    }
}

fn ended(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// A chain without its first certificate.
fn above_leaf(chain: &str) -> &str {
    const END: &str = "-----END CERTIFICATE-----";
    chain.split_once(END).map_or("", |(_, rest)| rest.trim_start())
}

fn replace_all(contents: &[(PathBuf, String)], access: &FileAccess) -> Result<(), String> {
    let told = |what: &str, path: &Path, error: &io::Error| format!("cannot {what} {}: {error}", path.display());
    let mut ready = Vec::new();
    let mut failed = None;
    for (path, text) in contents {
        let beside = beside(path);
        // What a process left that died while it wrote.
        drop(std::fs::remove_file(&beside));
        let made = os::create_private(&beside, text.as_bytes())
            .map_err(|error| told("write", &beside, &error))
            .and_then(|()| os::grant(&beside, access).map_err(|error| told("set the rights of", &beside, &error)));
        ready.push((beside, path));
        if let Err(error) = made {
            failed = Some(error);
            break;
        }
    }
    if failed.is_none() {
        failed = ready.iter().find_map(|(from, to)| os::replace(from, to).err().map(|e| told("replace", to, &e)));
    }
    match failed {
        None => Ok(()),
        Some(error) => {
            // The first error is the one to tell; what was moved is not there any more.
            ready.iter().for_each(|(beside, _)| drop(std::fs::remove_file(beside)));
            Err(error)
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".yumen-new");
    PathBuf::from(name)
}

impl Program {
    /// Runs it to its end.
    ///
    /// # Errors
    /// It cannot be started, does not end in time, or ends with another status than 0; the end of what it said is told.
    pub async fn run(&self) -> Result<(), String> {
        let shown = self.path.display();
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{shown} cannot be started: {error}"))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ended = async {
            let (status, out, err) = tokio::join!(child.wait(), last_words(out), last_words(err));
            (status, format!("{out} {err}"))
        };
        let (status, words) = tokio::time::timeout(self.limit, ended)
            .await
            .map_err(|_| format!("{shown} did not end within {} s and was killed", self.limit.as_secs_f32()))?;
        let status = status.map_err(|error| format!("{shown} is lost: {error}"))?;
        if ExitStatus::success(&status) { Ok(()) } else { Err(format!("{shown} failed ({status}): {}", words.trim())) }
    }
}

/// The end of what a program says, as one line; it is read to the end, so that the program never waits for us.
async fn last_words(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let surplus = kept.len().saturating_sub(LONGEST_WORDS);
        kept.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&kept).trim().replace(['\r', '\n'], "; ");
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n\
                         above\n-----END CERTIFICATE-----\n";

    fn files(folder: &Path, command: Option<Program>) -> Files {
        let at = |name| folder.join(name);
        let access = FileAccess::default();
        Files { cert: at("cert.pem"), key: at("key.pem"), chain: Some(at("chain.pem")), access, command }
    }

    fn read(path: impl AsRef<Path>) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[tokio::test]
    async fn a_certificate_is_put_beside_its_key_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), None);
        assert!(!files.hold(CHAIN, "key"));
        files.put("old", "old").await.unwrap();
        files.put(CHAIN, "key").await.unwrap();
        assert!(files.hold(CHAIN, "key") && !files.hold(CHAIN, "other"));
        assert_eq!(read(&files.key), "key");
        assert_eq!(
            read(files.chain.as_ref().unwrap()),
            "-----BEGIN CERTIFICATE-----\nabove\n-----END CERTIFICATE-----\n"
        );
        assert_eq!(os::exposure(&files.key).unwrap(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left beside them");
        let whole = Files { key: files.cert.clone(), chain: None, ..files };
        whole.put("chain", "key").await.unwrap();
        assert_eq!(read(&whole.cert), "chain\nkey");
    }

    #[tokio::test]
    async fn nothing_is_replaced_when_one_file_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let good = files(folder.path(), None);
        good.put("old", "old").await.unwrap();
        let bad = Files { chain: Some(folder.path().join("missing/chain.pem")), ..good.clone() };
        let error = bad.put(CHAIN, "key").await.unwrap_err();
        assert!(error.contains("missing") && !error.contains("key\n"), "{error}");
        assert!(good.hold("old", "old") || (read(&good.cert) == "old" && read(&good.key) == "old"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[cfg(unix)] // The commands are those of a Unix system.
    #[tokio::test]
    async fn the_command_is_called_without_a_shell_and_its_failure_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let run = |path: &str, arguments: &[&str], limit| {
            let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
            files(folder.path(), Some(Program { path: path.into(), arguments, limit }))
        };
        let long = Duration::from_secs(30);
        run("/bin/sh", &["-c", "test -s $0 && echo $1 > $2", "cert.pem", "x; y", "said"], long)
            .put(CHAIN, "key")
            .await
            .unwrap_err();
        let (cert, said) = (folder.path().join("cert.pem"), folder.path().join("said"));
        let words = ["-c", "test -s $0 && echo \"$1\" > $2", &cert.to_string_lossy(), "x; y", &said.to_string_lossy()];
        run("/bin/sh", &words, long).put(CHAIN, "key").await.unwrap();
        assert_eq!(read(said), "x; y\n");
        let failed = run("/bin/sh", &["-c", "echo no such host >&2; exit 3"], long).put(CHAIN, "key").await;
        let error = failed.unwrap_err();
        assert!(error.contains("exit status: 3") && error.contains("no such host"), "{error}");
        let late = run("/bin/sleep", &["600"], Duration::from_millis(50)).put(CHAIN, "key").await.unwrap_err();
        assert!(late.contains("killed"), "{late}");
        let noisy = run("/bin/sh", &["-c", "yes | head -c 300000; exit 1"], long).put(CHAIN, "key").await.unwrap_err();
        assert!(noisy.len() < 2000, "{}", noisy.len());
    }

    #[cfg(unix)] // Modes are those of a Unix system.
    #[tokio::test]
    async fn files_get_the_mode_that_was_asked_for() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let access = FileAccess { mode: Some(0o640), owner: None };
        let files = Files { access, ..files(folder.path(), None) };
        files.put(CHAIN, "key").await.unwrap();
        assert_eq!(std::fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o640);
        let nobody = FileAccess { mode: None, owner: Some("no-such-user-here".to_owned()) };
        let error = Files { access: nobody, ..files.clone() }.put(CHAIN, "other").await.unwrap_err();
        assert!(error.contains("no-such-user-here") && files.hold(CHAIN, "key"), "{error}");
    }
}
