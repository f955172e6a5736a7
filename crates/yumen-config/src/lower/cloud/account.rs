//! Accounts of Alibaba Cloud, and the sections that name them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::names::Known;
use super::super::{named, value};
use crate::config::{Account, AccountName, AssumedRole, CloudKeys, Signature};
use crate::keys;
use crate::lower::ctx::{Ctx, DEFAULT_ACCOUNT};
use crate::lower::section::Section;
use crate::yaml::{Node, Place};

/// The products that may be asked elsewhere, by their short names.
const PRODUCTS: [&str; 16] = [
    "alb", "alidns", "cas", "cs", "ecs", "ga", "kms", "metadata", "nlb", "oss", "ram", "slb", "sls", "sts", "vpc",
    "arms",
];

/// The accounts that are declared.
pub(in crate::lower) struct Accounts<'n> {
    known: Known<'n>,
    all: BTreeMap<AccountName, Arc<Account>>,
    /// Whether an account could not be read: what names it was complained about already.
    is_broken: bool,
}

impl<'n> Accounts<'n> {
    pub(in crate::lower) fn read(ctx: &Ctx<'_>, files: &[Section<'n>]) -> Self {
        let nodes = named(ctx, files, "alibaba");
        let all: BTreeMap<_, _> = nodes
            .iter()
            .filter_map(|(name, node)| account(&Section::open(ctx, node, &keys::ACCOUNT)?, &name.text))
            .map(|account| (account.name.clone(), Arc::new(account)))
            .collect();
        let is_broken = all.len() < nodes.len() || files.iter().any(|file| file.was_meant("alibaba"));
        Self { known: Known::new("account", &nodes), all, is_broken }
    }

    pub(super) fn all(&self) -> BTreeMap<AccountName, Arc<Account>> {
        self.all.clone()
    }

    /// The account that a section names by `account`, or the one it takes without; complains when there is none.
    pub(in crate::lower) fn of(&self, section: &Section<'_>) -> Option<Arc<Account>> {
        match section.get("account") {
            Some(node) => self.find(section.ctx, node),
            None => self.usual(section.ctx, section.place),
        }
    }

    /// The account of a name.
    pub(in crate::lower) fn find(&self, ctx: &Ctx<'_>, node: &Node) -> Option<Arc<Account>> {
        self.all.get(&*self.known.find(ctx, node)?).cloned()
    }

    /// The account of what names none, at a place that can be told.
    pub(in crate::lower) fn usual(&self, ctx: &Ctx<'_>, place: Place) -> Option<Arc<Account>> {
        let only = || self.all.values().next().filter(|_| self.all.len() == 1);
        if let Some(account) = self.all.get(DEFAULT_ACCOUNT).or_else(only) {
            return Some(Arc::clone(account));
        }
        if self.is_broken {
            return None;
        }
        let (message, help) = match self.all.is_empty() {
            true => (
                "this needs an account of Alibaba Cloud, and there is none",
                "declare one: `alibaba: {default: {region: cn-hangzhou}}`",
            ),
            false => (
                "which account is meant? There are several, and none is called `default`",
                "name one by `account`, or call one `default`",
            ),
        };
        ctx.error_help(place, "no_account", message, help);
        None
    }
}

fn account(section: &Section<'_>, name: &str) -> Option<Account> {
    let region = section.need("region", region);
    let signature =
        |ctx: &Ctx<'_>, node: &Node| value::one_of(ctx, node, &[("v3", Signature::V3), ("v1", Signature::V1)]);
    let keys = match section.get("keys") {
        Some(node) if !value::is_word(section.ctx, node, "chain") => {
            Section::open(section.ctx, node, &keys::ACCOUNT_KEYS).and_then(|keys| cloud_keys(&keys))
        }
        _ => Some(CloudKeys::Chain),
    };
    let roles = section.list("assume_role", |ctx, node| assumed_role(&Section::open(ctx, node, &keys::ASSUMED_ROLE)?));
    let account = Account {
        name: AccountName::from(name),
        region: region?,
        keys: keys?,
        roles,
        signature: section.read("signature", signature).unwrap_or_default(),
        private: section.read("private", value::boolean).unwrap_or(false),
        endpoints: endpoints(section),
    };
    Some(account)
}

fn region(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "a region such as `cn-hangzhou`", |text| {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (text.len() <= 63 && text.contains('-') && text.bytes().all(fine)).then(|| text.to_owned())
    })
}

fn cloud_keys(section: &Section<'_>) -> Option<CloudKeys> {
    let ways = ["access_key_id", "ecs_role", "profile", "oidc"];
    let there: Vec<&str> = ways.into_iter().filter(|way| section.get(way).is_some()).collect();
    let [way] = there.as_slice() else {
        if section.ctx.has_complaints() && there.is_empty() {
            return None;
        }
        let message = match there.as_slice() {
            [] => "it is not said where the keys come from".to_owned(),
            several => format!("{} are there at once", several.join(" and ")),
        };
        let help = format!("write one of {}; or `keys: chain`", ways.map(|way| format!("`{way}`")).join(", "));
        section.ctx.error_help(section.place, "one_way", message, help);
        return None;
    };
    let named = |key, word| section.read(key, word_or_name(word)).flatten();
    match *way {
        "ecs_role" => Some(CloudKeys::EcsRole { role: named("ecs_role", "auto") }),
        "profile" => Some(CloudKeys::Profile {
            profile: named("profile", "current"),
            file: section.read("profile_file", value::path),
        }),
        "oidc" => {
            let oidc = section.sub("oidc", &keys::ACCOUNT_OIDC)?;
            let (provider, role) = (oidc.need("provider", arn), oidc.need("role", arn));
            let token_file = oidc.need("token_file", value::path);
            Some(CloudKeys::Oidc { provider: provider?, role: role?, token_file: token_file? })
        }
        _ => {
            let (id, secret) = (
                section.need("access_key_id", value::own_secret),
                section.need("access_key_secret", value::own_secret),
            );
            Some(CloudKeys::Key { id: id?, secret: secret?, token: section.read("security_token", value::own_secret) })
        }
    }
}

fn word_or_name(word: &'static str) -> impl Fn(&Ctx<'_>, &Node) -> Option<Option<String>> {
    move |ctx, node| {
        let name = value::wanted(ctx, node, "a name", |text| (!text.is_empty()).then(|| text.to_owned()))?;
        Some(Some(name).filter(|name| name != word))
    }
}

fn arn(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "a name of a resource such as `acs:ram::1234567890:role/gateway`", |text| {
        let fine = text.starts_with("acs:ram::") && text.contains('/') && text.bytes().all(|b| b.is_ascii_graphic());
        fine.then(|| text.to_owned())
    })
}

fn assumed_role(section: &Section<'_>) -> Option<AssumedRole> {
    const SHORTEST: Duration = Duration::from_secs(900);
    let duration = |ctx: &Ctx<'_>, node: &Node| {
        let duration = value::duration(ctx, node)?;
        if duration < SHORTEST {
            ctx.error_help(
                node.place,
                "bad_value",
                "the key of a role lasts 15 minutes at least",
                "write `15m` or more",
            );
            return None;
        }
        Some(duration)
    };
    let session = |ctx: &Ctx<'_>, node: &Node| {
        value::wanted(ctx, node, "2 to 64 letters, digits and `.@_-`", |text| {
            let fine = |b: u8| b.is_ascii_alphanumeric() || b".@_-".contains(&b);
            ((2..=64).contains(&text.len()) && text.bytes().all(fine)).then(|| text.to_owned())
        })
    };
    Some(AssumedRole {
        arn: section.need("arn", arn)?,
        session: section.read("session", session).unwrap_or_else(|| "yumen".to_owned()),
        duration: section.read("duration", duration).unwrap_or(Duration::from_secs(3600)),
        external_id: section.read("external_id", value::own_secret),
    })
}

fn endpoints(section: &Section<'_>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, node) in section.map("endpoints") {
        if !PRODUCTS.contains(&&*name.text) {
            let help = super::super::nearest::among(&name.text, PRODUCTS.into_iter());
            let message = format!("there is no product `{}`", name.text);
            section.ctx.error_help(name.place, "unknown_name", message, help);
            continue;
        }
        all.extend(value::origin(section.ctx, node).map(|origin| (name.text.to_string(), origin)));
    }
    all
}
