//! `yumen alibaba`: who one is for Alibaba Cloud, and any call of its API, with the keys and limits the gateway has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use yumen_alibaba::api::sts;
use yumen_alibaba::credential::{self, Credentials, Surroundings};
use yumen_alibaba::product::Product;
use yumen_alibaba::transport::{Endpoint, HttpTransport};
use yumen_alibaba::{Call, Client, Clock, Parameters, Repeat, Setup};
use yumen_config::config::{Account, AccountName};

use super::Format;
use super::sync::Sync;
use crate::compose;

/// Speak with Alibaba Cloud as the gateway does.
#[derive(Args)]
pub(super) struct Alibaba {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Say whose keys are found, and where
    Whoami {
        #[command(flatten)]
        cloud: Cloud,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Call an operation and print its answer
    Call {
        #[command(flatten)]
        cloud: Cloud,
        /// The product, such as alidns or ecs
        product: String,
        /// The operation, such as DescribeDomains
        action: String,
        /// Its parameters; a list is Name.1=… Name.2=…
        #[arg(value_name = "NAME=VALUE", value_parser = pair)]
        parameters: Vec<(String, String)>,
    },
    /// Print the least RAM policy that a configuration needs; of several accounts or roles, each with its own
    Policy {
        /// The configuration
        #[arg(short, long, value_name = "FILE", value_parser = super::local_path())]
        config: PathBuf,
    },
    /// Bring about once in the cloud what a configuration keeps there
    Sync(Sync),
}

/// Where the cloud is.
#[derive(Args)]
pub(super) struct Cloud {
    /// The region [default: that of ALIBABA_CLOUD_REGION_ID, or cn-hangzhou]
    #[arg(long)]
    region: Option<String>,
    /// Where a product is asked instead of its usual place; may be given more than once
    #[arg(long, value_name = "PRODUCT=URL", value_parser = pair)]
    endpoint: Vec<(String, String)>,
    /// Use the private network of the region
    #[arg(long)]
    vpc: bool,
    /// A configuration file whose account is used instead of the keys that are found
    #[arg(short, long, value_name = "FILE", value_parser = super::local_path(), conflicts_with_all = ["region", "vpc"])]
    config: Option<PathBuf>,
    /// The account of the configuration [default: the one called default, or the only one]
    #[arg(long, value_name = "NAME", requires = "config")]
    account: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write a name, `=` and a value".to_owned()),
    }
}

impl Alibaba {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Whoami { cloud, format } => whoami(&cloud, format),
            What::Call { cloud, product, action, parameters } => call(&cloud, &product, action, parameters),
            What::Policy { config } => policy(&config),
            What::Sync(sync) => sync.execute(),
        }
    }
}

/// One policy stands alone, so that it can be put into the RAM console as it is; of several each has a name.
fn policy(file: &Path) -> anyhow::Result<ExitCode> {
    let wish = compose::load_file(file).map_err(|found| super::refusal(&found))?;
    let all = yumen_cloud::policy::policies(&wish.config);
    match all.as_slice() {
        [] => {
            eprintln!("this configuration needs no permission in Alibaba Cloud");
            Ok(ExitCode::SUCCESS)
        }
        [only] => super::print_json(&only.policy),
        several => {
            let named = several.iter().map(|one| {
                let whose = one.role.as_deref().unwrap_or("the keys");
                (format!("{}: {whose}", one.account), one.policy.clone())
            });
            super::print_json(&Value::Object(named.collect()))
        }
    }
}

fn whoami(cloud: &Cloud, format: Format) -> anyhow::Result<ExitCode> {
    let client = cloud.client()?;
    let identity = super::block_on(async { sts::caller(&client).await.map_err(told) })?;
    let key = client.credentials().status();
    if format == Format::Json {
        return super::print_json(&json!({
            "type": identity.identity_type, "account": identity.account_id, "arn": identity.arn,
            "principal": identity.principal_id, "key": key.id, "found": key.source_name, "region": client.region(),
        }));
    }
    let id = key.id.unwrap_or_default();
    super::print(&format!(
        "identity  {} {}\naccount   {}\nkey       {id} (found by {})\nregion    {}\n",
        identity.identity_type,
        identity.arn,
        identity.account_id,
        key.source_name,
        client.region()
    ))
}

fn call(cloud: &Cloud, product: &str, action: String, parameters: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let product = product_of(product)?;
    let parameters = parameters.into_iter().fold(Parameters::default(), |all, (name, value)| all.with(name, value));
    let call = match reads(&action) {
        true => Call::read(product, action, parameters),
        // What is not known to read is sent once.
        false => Call::write(product, action, parameters, Repeat::Never),
    };
    let client = cloud.client()?;
    let answer: Value = super::block_on(async { client.call(&call).await.map_err(told) })?;
    super::print_json(&answer)
}

/// What went wrong, once: an error of the cloud names its causes itself.
fn told(error: yumen_alibaba::Error) -> anyhow::Error {
    anyhow!("{error}")
}

/// Whether an operation only reads, by its name.
fn reads(action: &str) -> bool {
    ["Describe", "List", "Get", "Query", "Check"].iter().any(|verb| action.starts_with(verb))
}

/// These are asked by methods and paths.
const BY_PATH: [&str; 3] = ["cs", "oss", "sls"];

fn product_of(name: &str) -> anyhow::Result<&'static Product> {
    let possible = || Product::all().filter(|product| !BY_PATH.contains(&product.name));
    if let Some(product) = possible().find(|product| product.name == name) {
        return Ok(product);
    }
    let why = if BY_PATH.contains(&name) { "is asked by paths, not by names of operations" } else { "is not known" };
    let names: Vec<&str> = possible().map(|product| product.name).collect();
    bail!("the product {name} {why}; possible: {}", names.join(", "))
}

impl Cloud {
    /// The account of a configuration file, with the endpoints that were given.
    fn account_of(&self, file: &Path) -> anyhow::Result<Account> {
        let wish = compose::load_file(file).map_err(|found| anyhow!("{}", yumen_config::render(&found).trim_end()))?;
        let accounts = &wish.config.cloud.accounts;
        let names: Vec<&str> = accounts.keys().map(AccountName::as_str).collect();
        let only = || accounts.values().next().filter(|_| accounts.len() == 1);
        let found = match &self.account {
            Some(name) => accounts.get(name.as_str()),
            None => accounts.get("default").or_else(only),
        };
        let Some(account) = found else {
            let wanted =
                self.account.as_deref().map_or_else(|| "to choose".to_owned(), |name| format!("called {name}"));
            bail!("{} has no account {wanted}; there are: {}", file.display(), names.join(", "));
        };
        let mut account = Account::clone(account);
        for (product, url) in &self.endpoint {
            product_of(product)?;
            account.endpoints.insert(product.clone(), url.clone());
        }
        Ok(account)
    }

    /// A client with the keys that are found.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let transport = Arc::new(HttpTransport::new().context("cannot prepare TLS")?);
        if let Some(file) = &self.config {
            let account = self.account_of(file)?;
            return Ok(yumen_cloud::account::client(&account, transport)?);
        }
        let clock = Clock::default();
        let mut endpoints = HashMap::new();
        for (product, url) in &self.endpoint {
            product_of(product)?;
            let endpoint = Endpoint::parse(url).map_err(|why| anyhow!("the endpoint of {product}: {why}"))?;
            endpoints.insert(product.clone(), endpoint);
        }
        let mut surroundings = Surroundings::new(transport.clone(), clock.clone());
        surroundings.sts = endpoints.get("sts").cloned();
        let credentials = Credentials::new(credential::chain(&surroundings), clock.clone());
        let region = self.region.clone().or_else(|| std::env::var("ALIBABA_CLOUD_REGION_ID").ok());
        let region = region.unwrap_or_else(|| "cn-hangzhou".to_owned());
        let mut setup = Setup::new(region, transport, credentials, clock);
        setup.endpoints = endpoints;
        setup.network = self.vpc.then(|| "vpc".to_owned());
        Ok(Client::new(setup))
    }
}
