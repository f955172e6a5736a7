//! The certificates of a configuration: what is on the disk, and renewals by the gateway that runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::{Value, json};
use yumen_config::config::{Config, Obtained};
use yumen_identity::renewal::Renewal;
use yumen_identity::{Certificate, Label, Store};

use super::{date, told};
use crate::cli::{self, Format, Target, local_path};
use crate::{certificates, compose};

/// Where to look.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Place {
    /// The configuration that names them
    #[arg(short, long, value_name = "FILE", value_parser = local_path())]
    config: Option<PathBuf>,
    /// The folder of `cert obtain`
    #[arg(long, value_name = "FOLDER", value_parser = local_path())]
    pub(super) state: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Show {
    /// Its name in the configuration
    name: String,
    /// The configuration that names it
    #[arg(short, long, value_name = "FILE", value_parser = local_path())]
    config: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Args)]
pub(super) struct Renew {
    /// Its name in the configuration
    name: String,
    /// Order even if the present one is good
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    target: Target,
}

impl Place {
    /// Those of a configuration.
    pub(super) fn list(&self, format: Format) -> anyhow::Result<ExitCode> {
        let config = cli::load(self.config.as_deref().context("name a configuration")?)?.config;
        let all = config.cloud.certificates.values();
        let all: Vec<(&Obtained, Found)> = all.map(|section| (&**section, Found::of(&config, section))).collect();
        if format == Format::Json {
            return cli::print_json(&all.iter().map(|(section, found)| found.json(section)).collect());
        }
        let mut out = String::new();
        for (section, found) in &all {
            let names = section.names.join(", ");
            out += &match &found.certificate {
                Ok(Some(one)) => format!("{}  until {}  {names}\n", section.name, date(one.facts().not_after)),
                Ok(None) => format!("{}  is not there yet  {names}\n", section.name),
                Err(why) => format!("{}  cannot be used: {why}\n", section.name),
            };
        }
        cli::print(&out)
    }
}

impl Show {
    pub(super) fn execute(&self) -> anyhow::Result<ExitCode> {
        let config = cli::load(&self.config)?.config;
        let all = &config.cloud.certificates;
        let section = all.get(self.name.as_str()).ok_or_else(|| {
            let there: Vec<&str> = all.keys().map(|name| name.as_str()).collect();
            anyhow!("there is no certificate `{}` in the configuration; there are: {}", self.name, there.join(", "))
        })?;
        let found = Found::of(&config, section);
        if self.format == Format::Json {
            return cli::print_json(&found.json(section));
        }
        let file = found.file.as_ref().map_or_else(|| "nowhere".to_owned(), |file| file.display().to_string());
        let challenges: Vec<&str> = section.challenges.iter().map(|challenge| challenge.as_str()).collect();
        let mut out = format!(
            "{}\n  wanted  {}\n  of      {}\n  by      {}\n  file    {file}\n",
            section.name,
            section.names.join(", "),
            section.authority.directory,
            challenges.join(", "),
        );
        out += &match found.certificate {
            Ok(None) => "  is not there yet\n".to_owned(),
            Err(why) => format!("  cannot be used: {why}\n"),
            Ok(Some(one)) => {
                let facts = one.facts();
                format!(
                    "  for     {}\n  since   {}\n  until   {}\n  renewal {}\n  issuer  {}\n  serial  {}\n{}",
                    facts.names.join(", "),
                    date(facts.not_before),
                    date(facts.not_after),
                    date(Renewal::plan(facts, None).at),
                    facts.issuers.join(" <- "),
                    hex(&facts.serial),
                    one.chain(),
                )
            }
        };
        cli::print(&out)
    }
}

impl Renew {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let client = self.target.client(true)?;
        cli::block_on(async {
            match client.renew(&self.name, self.now).await {
                Ok(report) if report["under_way"] == true => {
                    cli::print(&format!("{} is being ordered; `yumen status` tells how it ends\n", self.name))
                }
                Ok(report) if report["is_new"] == true => cli::print(&format!("{} was renewed\n", self.name)),
                Ok(_) => cli::print(&format!("{} is good and not due; `--now` renews it all the same\n", self.name)),
                Err(error) => {
                    eprintln!("error: {error}");
                    Ok(ExitCode::FAILURE)
                }
            }
        })
    }
}

/// What is on the disk.
struct Found {
    file: Option<PathBuf>,
    certificate: Result<Option<Certificate>, String>,
}

impl Found {
    fn of(config: &Config, section: &Obtained) -> Self {
        // The first that is there: so the gateway chooses, unless it cannot write to it.
        let folders = compose::state_dirs(config).into_iter();
        let mut folders = folders.filter_map(|dir| certificates::folder(section, Some(&dir)));
        let folder = folders.find(|folder| folder.is_dir());
        let Some(folder) = folder else { return Self { file: None, certificate: Ok(None) } };
        let opened = Label::parse(section.name.as_str()).and_then(|label| Ok((Store::open(&folder)?, label)));
        match opened {
            Ok((store, label)) => Self {
                file: Some(store.certificate_file(&label)),
                certificate: store.certificate(&label).map_err(|error| error.to_string()),
            },
            Err(error) => Self { file: None, certificate: Err(told(error).to_string()) },
        }
    }

    fn json(&self, section: &Obtained) -> Value {
        let mut shown = json!({
            "name": section.name.as_str(), "wanted": section.names, "directory": section.authority.directory,
            "file": self.file,
        });
        match &self.certificate {
            Ok(None) => {}
            Err(why) => shown["error"] = json!(why),
            Ok(Some(one)) => {
                let facts = one.facts();
                shown["names"] = json!(facts.names);
                shown["not_before"] = json!(date(facts.not_before));
                shown["not_after"] = json!(date(facts.not_after));
                shown["renewal"] = json!(date(Renewal::plan(facts, None).at));
                shown["issuers"] = json!(facts.issuers);
                shown["serial"] = json!(hex(&facts.serial));
            }
        }
        shown
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
