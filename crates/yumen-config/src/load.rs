//! Files, includes and the whole way from text to a [`Config`].

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::disk::{self, Unread, leads_away, matching, matching_among, plain, read, same, unread};
use crate::lower::{self, Cover, Ctx};
use crate::yaml::{self, Node, Place, Source};

/// The most that is read, all files together: more than 100,000 routes need.
const FILE_SIZE: u64 = 64 << 20;
/// The most files that includes may add up to.
const FILES: usize = 1000;

/// A configuration and what is known of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Complaints that do not keep it from being used.
    pub warnings: Vec<Diagnostic>,
    /// The files it was read from, the first one first.
    pub files: Vec<PathBuf>,
    /// Their texts, in the same order.
    pub texts: Vec<String>,
    /// What `include` names, with `*` and `?` as written.
    pub includes: Vec<PathBuf>,
    /// SHA-256 over the files, in hexadecimal.
    pub digest: String,
    /// The files that the configuration names, each with the place where it does first.
    pub places: BTreeMap<PathBuf, Span>,
}

/// Reads a file and those it includes; `env` gives the variables of the environment.
///
/// # Errors
/// Every complaint, errors first, when there is at least one error.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Vec<Diagnostic>> {
    Reading::new(env).whole(path)
}

/// As [`load`], of texts that were kept: `kept` has them by their whole paths.
///
/// # Errors
/// As [`load`].
pub fn load_kept(
    path: &Path,
    kept: &[(PathBuf, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<Diagnostic>> {
    Reading { kept: Some(kept), ..Reading::new(env) }.whole(path)
}

/// Reads a text that has no file; relative paths stay as they are and `include` is relative to the
/// folder of the process.
///
/// # Errors
/// As [`load`].
pub fn parse_str(name: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Vec<Diagnostic>> {
    let mut reading = Reading::new(env);
    reading.text(name, Path::new(""), text.to_owned());
    reading.includes();
    reading.finish()
}

fn unreadable(path: &Path, unread: Unread) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "cannot_read",
        message: unread.message,
        span: Span::of_file(path.display().to_string().into()),
        help: Some(unread.help.to_owned()),
        related: Vec::new(),
    }
}

struct Reading<'e> {
    /// Where the texts are when not on the disk.
    kept: Option<&'e [(PathBuf, String)]>,
    ctx: Ctx<'e>,
    roots: Vec<Rc<Node>>,
    files: Vec<PathBuf>,
    texts: Vec<String>,
    included: Vec<PathBuf>,
    /// The files by the one name each has, so that none is read twice under two.
    seen: HashSet<PathBuf>,
    /// Bytes that may still be read.
    room: u64,
    /// Patterns of files that are yet to be included.
    wanted: VecDeque<(PathBuf, Place)>,
    broken: Vec<Place>,
    digest: Sha256,
}

impl<'e> Reading<'e> {
    fn new(env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            kept: None,
            ctx: Ctx::new(env),
            roots: Vec::new(),
            files: Vec::new(),
            texts: Vec::new(),
            included: Vec::new(),
            seen: HashSet::new(),
            room: FILE_SIZE,
            wanted: VecDeque::new(),
            broken: Vec::new(),
            digest: Sha256::new(),
        }
    }

    fn whole(mut self, path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
        if let Some(message) = leads_away(path) {
            let help = disk::COME_HOME;
            return Err(vec![Diagnostic { code: "not_a_local_file", ..unreadable(path, Unread { message, help }) }]);
        }
        let text = self.fetch(path).map_err(|e| vec![unreadable(path, e)])?;
        self.file(path.to_owned(), text);
        self.includes();
        self.finish()
    }

    fn fetch(&self, path: &Path) -> Result<String, Unread> {
        let Some(kept) = self.kept else { return read(path, self.room) };
        let found = std::path::absolute(path).ok().and_then(|whole| kept.iter().find(|(path, _)| *path == whole));
        found.map(|(_, text)| text.clone()).ok_or_else(|| unread(path, &ErrorKind::NotFound.into()))
    }

    fn matching(&self, pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
        let Some(kept) = self.kept else { return matching(pattern) };
        matching_among(pattern, kept.iter().map(|(path, _)| path.as_path()))
    }

    fn file(&mut self, path: PathBuf, text: String) {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = path.display().to_string();
        self.seen.insert(same(&path));
        self.files.push(path);
        self.texts.push(text.clone());
        self.text(&name, &folder, text);
    }

    fn text(&mut self, name: &str, folder: &Path, text: String) {
        self.digest.update((text.len() as u64).to_be_bytes());
        self.digest.update(text.as_bytes());
        self.room = self.room.saturating_sub(text.len() as u64);
        // Some editors begin a file with a mark of the byte order; it would take a column.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let number = u32::try_from(self.ctx.sources.len()).unwrap_or(u32::MAX);
        self.ctx.sources.push(Source::new(name, folder, text));
        let Some(source) = self.ctx.sources.last() else { return };
        match yaml::parse(number, &source.text) {
            Err(broken) => {
                let place = source.at_text(broken.place);
                self.broken.push(place);
                match broken.help {
                    Some(help) => self.ctx.error_help(place, "syntax", broken.message, help),
                    None => self.ctx.error(place, "syntax", broken.message),
                }
            }
            Ok(None) => {}
            Ok(Some(root)) => {
                self.wanted.extend(lower::includes(&self.ctx, &root));
                self.roots.push(root);
            }
        }
    }

    /// Reads what is included, and what that includes.
    fn includes(&mut self) {
        while let Some((pattern, place)) = self.wanted.pop_front() {
            self.include(&pattern, place);
            self.included.push(pattern);
        }
    }

    fn include(&mut self, pattern: &Path, place: Place) {
        let found = match self.matching(pattern) {
            Ok(found) => found,
            Err(e) => {
                let help = "the folder of an `include` is relative to the file it stands in";
                let message = format!("cannot read {}: {}", pattern.display(), plain(&e));
                return self.ctx.error_help(place, "cannot_read", message, help);
            }
        };
        if found.is_empty() {
            let help = "an include that matches no file has no effect; files that begin with a dot are left out";
            self.ctx.warn(place, "no_effect", format!("no file matches {}", pattern.display()), help);
        }
        for path in found {
            // A file that includes itself, or is included twice, is read once.
            if self.seen.contains(&same(&path)) {
                continue;
            }
            if self.files.len() >= FILES {
                let help = "is one of the patterns wider than it should be?";
                return self.ctx.error_help(place, "too_many_files", format!("more than {FILES} files"), help);
            }
            match self.fetch(&path) {
                Ok(text) => self.file(path, text),
                Err(unread) => self.ctx.error_help(place, "cannot_read", unread.message, unread.help),
            }
        }
    }

    fn finish(self) -> Result<Loaded, Vec<Diagnostic>> {
        let config = lower::lower(&self.ctx, &self.roots);
        let mut cover = Cover::default();
        if self.ctx.has_complaints() || self.ctx.names_files() {
            cover = Cover::of(&self.roots);
            for place in &self.broken {
                self.ctx.sources.get(place.file as usize).into_iter().for_each(|s| cover.add_broken(s, *place));
            }
        }
        let all = self.ctx.take(&cover);
        if all.iter().any(Diagnostic::is_error) {
            // What a part that could not be read would have held is missing everywhere else, which is not the mistake.
            let incomplete = all.iter().any(|d| ["syntax", "cannot_read", "too_many_files"].contains(&d.code));
            let follows = |d: &Diagnostic| ["unknown_name", "unused", "no_listener", "no_route"].contains(&d.code);
            return Err(all.into_iter().filter(|d| !(incomplete && follows(d))).collect());
        }
        let digest = self.digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(Loaded {
            config,
            warnings: all,
            files: self.files,
            texts: self.texts,
            includes: self.included,
            digest,
            places: self.ctx.files(&cover),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::keys::{Kind, ROOT, Table};

    /// Every default of a table as it would be written, with the keys that must be there.
    fn written(table: &Table) -> String {
        let text = |key: &crate::keys::Key| -> Option<String> {
            match (&key.kind, key.name) {
                (_, "bind") => Some("\":80\"".to_owned()),
                (_, "endpoints") if table.name == "upstream" => Some("\"https://h\"".to_owned()),
                (_, "upstream") if table.name == "route" => Some("u".to_owned()),
                // What is not there by default has no defaults to be compared.
                (_, "middlewares" | "health" | "client_cert" | "discover") => None,
                (_, "tls" | "proxy_protocol") if table.name == "listener" => None,
                // Of another protocol; see below.
                (_, "udp" | "sessions") => None,
                // Only with TLS.
                (_, "http3") => None,
                // A place of its own, without defaults to be compared.
                (_, "endpoints" | "keys") if table.name == "account" => None,
                (_, _) if key.default == "required" => None,
                (Kind::Map(Kind::Section(_)), name) if !["listeners", "routes", "upstreams"].contains(&name) => None,
                (Kind::Map(Kind::Section(inner)), name) => {
                    let one = if name == "upstreams" { "u" } else { "one" };
                    Some(format!("{{{one}: {}}}", written(inner)))
                }
                (Kind::Section(inner) | Kind::OrOff(Kind::Section(inner)), _) => Some(written(inner)),
                (Kind::Either(_), "path") => Some(key.default.to_owned()),
                // A default in words depends on something else.
                (_, _) if key.default.is_empty() || key.default.contains(' ') => None,
                _ => Some(format!("\"{}\"", key.default)),
            }
        };
        let keys: Vec<_> = table.keys.iter().filter_map(|k| Some(format!("{}: {}", k.name, text(k)?))).collect();
        format!("{{{}}}", keys.join(", "))
    }

    #[test]
    fn the_defaults_of_sections_of_the_cloud_are_those_that_are_filled_in() {
        // Kind, table, what must be there, and what else the file needs.
        let account = "alibaba: {default: {region: cn-hangzhou}}, ";
        let kinds = [
            ("alibaba", &crate::keys::ACCOUNT, "region: cn-hangzhou", ""),
            ("dynamic_dns", &crate::keys::DYNAMIC_DNS, "names: [a.example.com], source: {interface: eth0}", account),
            ("log_outputs", &crate::keys::LOG_OUTPUT, "sls: {project: edge-logs, store: access}", account),
            ("metric_outputs", &crate::keys::METRIC_OUTPUT, "remote_write: {url: \"http://h/w\"}", account),
            (
                "certificates",
                &crate::keys::OBTAINED,
                "names: www.example.com",
                "authorities: {one: {directory: letsencrypt}}, ",
            ),
        ];
        let kinds = kinds.into_iter().chain([(
            "registrations",
            &crate::keys::REGISTRATION,
            "kind: alb, group: sgp-1, port: 443",
            account,
        )]);
        for (kind, table, needed, more) in kinds {
            let plain = "listeners: {one: {bind: \":80\", default_status: 404}}";
            let defaults = written(table);
            let defaults = defaults.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
            let read = |body: &str| {
                let text = format!("{{{plain}, {more}{kind}: {{one: {{{body}}}}}}}");
                parse_str("t", &text, &|_| None).map(|l| l.config).map_err(|e| crate::render(&e)).unwrap()
            };
            assert_eq!(read(&format!("{needed}, {defaults}")), read(needed), "{kind}");
        }
    }

    #[test]
    fn the_defaults_of_discovery_are_those_that_are_filled_in() {
        let kinds = [
            ("ecs", &crate::keys::DISCOVER_ECS, "vpc: vpc-1, port: 80"),
            ("server_group", &crate::keys::DISCOVER_GROUP, "kind: alb, id: sgp-1"),
        ];
        for (kind, table, needed) in kinds {
            let defaults = written(table);
            let defaults = defaults.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
            assert!(defaults.contains("interval"), "{defaults}");
            let read = |body: &str| {
                let text = format!(
                    "{{listeners: {{l: {{bind: \":1\", protocol: tcp, upstream: u}}}}, alibaba: {{default: {{region: cn-hangzhou}}}}, \
                     upstreams: {{u: {{discover: {{{kind}: {{{body}}}}}}}}}}}"
                );
                parse_str("t", &text, &|_| None).map(|l| l.config).map_err(|e| crate::render(&e)).unwrap()
            };
            assert_eq!(read(&format!("{needed}, {defaults}")), read(needed), "{kind}");
        }
    }

    #[test]
    fn the_defaults_of_the_reference_are_those_that_are_filled_in() {
        let plain = "{listeners: {one: {bind: \":80\"}}, routes: {one: {upstream: u}}, upstreams: {u: {endpoints: \"https://h\"}}}";
        let read =
            |text: &str| parse_str("t", text, &|_| None).map(|l| l.config).map_err(|e| crate::render(&e)).unwrap();
        let text = written(&ROOT);
        assert!(text.contains("max_connections: \"off\"") && text.contains("idle_race: \"true\""), "{text}");
        assert_eq!(read(&text), read(plain));
        let default = |table: &Table, key: &str| table.keys.iter().find(|k| k.name == key).unwrap().default;
        let datagrams = |more: &str| {
            let text = format!(
                "{{listeners: {{d: {{bind: \":1\", protocol: udp, upstream: u{more}}}}}, upstreams: {{u: {{endpoints: \"h:1\"}}}}}}"
            );
            read(&text)
        };
        let sessions = default(&crate::keys::LIMITS, "sessions");
        let said =
            format!(", udp: {}, limits: {{sessions: {sessions}}}, timeouts: {{idle: 60s}}", written(&crate::keys::UDP));
        assert_eq!(datagrams(&said), datagrams(""));
    }
}
