//! `yumen cert`: obtains certificates by ACME and DNS-01, and shows those on the disk. A listener takes what it writes, and
//! the next one when the file changes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use yumen_alibaba::Timestamp;
use yumen_alibaba::api::dns::Dns;
use yumen_identity::dns::{AliDns, Dns01, Exec, Propagation, Provider, Resolver, Wait};
use yumen_identity::renewal::Renewal;
use yumen_identity::store::Found;
use yumen_identity::{Acme, Authority, KeyKind, Label, Store, Way, When, Wish};

use super::{Format, alibaba, local_path};

mod kept;

/// Obtain and show certificates.
#[derive(Args)]
pub(super) struct Cert {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Obtain a certificate, unless there is a good one that is not due
    Obtain(Box<Obtain>),
    /// Show the certificates on the disk: those of a configuration, or those of `cert obtain`
    List {
        #[command(flatten)]
        place: kept::Place,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show one certificate of a configuration, with its chain
    Show(kept::Show),
    /// Have the running gateway renew a certificate now, if it is due
    Renew(kept::Renew),
}

#[derive(Args)]
struct State {
    /// The folder of accounts and certificates; only this user may have a right to it
    #[arg(long, value_name = "FOLDER", value_parser = local_path())]
    state: PathBuf,
}

#[derive(Args)]
struct Obtain {
    #[command(flatten)]
    state: State,
    /// The names, such as example.com and '*.example.com'
    #[arg(required = true)]
    names: Vec<String>,
    /// Under which name it is kept [default: the first of the names]
    #[arg(long)]
    label: Option<String>,
    /// The directory of the CA
    #[arg(long, value_name = "URL", default_value = "https://acme-v02.api.letsencrypt.org/directory")]
    directory: String,
    /// Whom the CA may write to, an address of mail; may be given more than once
    #[arg(long, value_name = "MAIL")]
    contact: Vec<String>,
    /// Authorities in PEM by which the CA's own server is known, for a CA of one's own
    #[arg(long, value_name = "FILE", value_parser = local_path())]
    roots: Option<PathBuf>,
    /// The key
    #[arg(long, value_enum, default_value_t)]
    key: Key,
    /// Who edits the zone: alidns, or a program that is called with present|cleanup NAME VALUE
    #[arg(long, value_name = "alidns|PROGRAM")]
    dns: String,
    /// The zone in AliDNS, for a key that may not list zones
    #[arg(long)]
    zone: Option<String>,
    /// A name server to ask instead of those of the system; may be given more than once
    #[arg(long, value_name = "ADDRESS:PORT")]
    resolver: Vec<SocketAddr>,
    /// Wait for so many seconds instead of looking at the zone's name servers
    #[arg(long, value_name = "SECONDS")]
    delay: Option<u64>,
    /// Order even if the present one is good
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    cloud: alibaba::Cloud,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Key {
    /// ECDSA on P-256
    #[default]
    P256,
    /// ECDSA on P-384
    P384,
    /// RSA with 2048 bits
    Rsa2048,
}

impl Cert {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Obtain(obtain) => obtain.execute(),
            What::List { place, format } => match &place.state {
                Some(state) => {
                    // Opening would make it.
                    ensure!(state.is_dir(), "there is no folder {}; name that of `cert obtain`", state.display());
                    list(&Store::open(state).map_err(told)?, format)
                }
                None => place.list(format),
            },
            What::Show(show) => show.execute(),
            What::Renew(renew) => renew.execute(),
        }
    }
}

impl Obtain {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let store = Store::open(&self.state.state).map_err(told)?;
        let label = match (&self.label, self.names.first()) {
            (None, Some(name)) => Label::parse(&name.replace('*', "_").to_lowercase())
                .map_err(|error| anyhow!("{error}, with --label"))?,
            (label, _) => Label::parse(label.as_deref().unwrap_or_default()).map_err(told)?,
        };
        let key = match self.key {
            Key::P256 => KeyKind::P256,
            Key::P384 => KeyKind::P384,
            Key::Rsa2048 => KeyKind::Rsa2048,
        };
        let wish = Wish::new(label.clone(), &self.names, key).map_err(told)?;
        let when = if self.now { When::Now } else { When::Due };
        let acme = Acme::new(self.authority()?, store.clone(), vec![Way::for_all(Arc::new(self.dns01(&store)?))])
            .map_err(told)?;
        let ensured = super::block_on(async { acme.ensure(&wish, when).await.map_err(told) })?;
        let facts = ensured.certificate.facts();
        super::print(&format!(
            "{} {}\n  for     {}\n  until   {}\n  renewal {}\n  file    {}\n",
            label.as_str(),
            if ensured.is_new { "was obtained" } else { "is good" },
            facts.names.join(", "),
            date(facts.not_after),
            date(ensured.renewal.at),
            store.certificate_file(&label).display(),
        ))
    }

    fn authority(&self) -> anyhow::Result<Authority> {
        let mut authority = Authority::new(&self.directory);
        let url = |mail: &String| if mail.contains(':') { mail.clone() } else { format!("mailto:{mail}") };
        authority.contact = self.contact.iter().map(url).collect();
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        authority.roots = self.roots.as_ref().map(read).transpose()?;
        Ok(authority)
    }

    fn dns01(&self, store: &Store) -> anyhow::Result<Dns01> {
        let provider: Arc<dyn Provider> = match self.dns.as_str() {
            "alidns" => Arc::new(AliDns::new("alidns", Dns::new(self.cloud.client()?), self.zone.clone())),
            program => Arc::new(Exec::new("program", program.into(), Vec::new(), Duration::from_secs(120))),
        };
        let resolver = if self.resolver.is_empty() {
            Resolver::system().map_err(told)?
        } else {
            Resolver::new(self.resolver.clone())
        };
        let wait = self.delay.map_or(Wait::NameServers, |seconds| Wait::Delay(Duration::from_secs(seconds)));
        Ok(Dns01::new(store.clone(), vec![(String::new(), provider)], Propagation::new(resolver, wait)))
    }
}

/// What went wrong, once: these errors name their causes themselves.
fn told(error: yumen_identity::Error) -> anyhow::Error {
    anyhow!("{error}")
}

fn list(store: &Store, format: Format) -> anyhow::Result<ExitCode> {
    let all = store.certificates().map_err(told)?;
    if format == Format::Json {
        let one = |(label, found): &(Label, Found)| match found {
            Ok(certificate) => json!({
                "label": label.as_str(), "names": certificate.facts().names, "not_after": date(certificate.facts().not_after),
                "renewal": date(Renewal::plan(certificate.facts(), None).at), "file": store.certificate_file(label),
            }),
            Err(why) => json!({"label": label.as_str(), "error": why, "file": store.certificate_file(label)}),
        };
        return super::print_json(&all.iter().map(one).collect());
    }
    let mut out = String::new();
    for (label, found) in &all {
        out += &match found {
            Ok(certificate) => {
                let facts = certificate.facts();
                format!("{}  until {}  {}\n", label.as_str(), date(facts.not_after), facts.names.join(", "))
            }
            Err(why) => format!("{}  cannot be used: {why}\n", label.as_str()),
        };
    }
    super::print(&out)
}

fn date(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Timestamp::from_unix(seconds).iso()
}
