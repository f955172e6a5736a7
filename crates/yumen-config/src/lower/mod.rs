//! From what was written to what is meant: defaults, names, ranges and the rules between things.
//! Every complaint is collected, so that one run shows them all.

mod check;
mod client;
mod cloud;
mod cover;
mod ctx;
mod discover;
mod listener;
mod middleware;
mod names;
mod nearest;
mod process;
mod route;
mod section;
mod upstream;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

pub(crate) use cover::Cover;
pub(crate) use ctx::Ctx;
use names::Known;
use section::Section;

use crate::config::{AccountName, Admin, Config, Log, Runtime};
use crate::keys;
use crate::yaml::{Name, Node, Place};

/// Files named by `include`, as written, with their places.
pub(crate) fn includes(ctx: &Ctx<'_>, root: &Node) -> Vec<(std::path::PathBuf, Place)> {
    let crate::yaml::Value::Map(entries) = &root.value else { return Vec::new() };
    let Some((_, node)) = entries.iter().find(|(name, _)| &*name.text == "include") else { return Vec::new() };
    value::each(ctx, node, |ctx, node| value::pattern(ctx, node).map(|p| (p, node.place))).unwrap_or_default()
}

/// The configuration of some files; when `ctx` has errors afterwards it must not be used.
pub(crate) fn lower(ctx: &Ctx<'_>, roots: &[Rc<Node>]) -> Config {
    let files: Vec<Section<'_>> = roots.iter().filter_map(|r| Section::open(ctx, r, &keys::ROOT)).collect();
    let accounts = files.iter().flat_map(|file| file.map("alibaba"));
    ctx.set_accounts(accounts.map(|(name, _)| AccountName::from(&*name.text)));
    let upstream_nodes = named(ctx, &files, "upstreams");
    let upstreams = Known::new("upstream", &upstream_nodes);

    let accounts = cloud::account::Accounts::read(ctx, &files);
    let certificate_nodes = named(ctx, &files, "certificates");
    let certificates = Known::new("certificate", &certificate_nodes);
    let mut listeners = Vec::new();
    let listener_nodes = named(ctx, &files, "listeners");
    for (name, node) in &listener_nodes {
        let read = Section::open(ctx, node, &keys::LISTENER)
            .and_then(|s| listener::listener(&s, &name.text, &upstreams, &certificates));
        listeners.extend(read.map(|l| (l, name.place)));
    }
    let mut cloud = cloud::cloud(ctx, &files, &accounts, &upstreams, &certificates);
    if listener_nodes.is_empty() && cloud.accelerator_nodes.is_empty() && files.len() == roots.len() {
        without_listener(ctx, &files);
    }
    check::addresses(ctx, &listeners);
    let process = process(ctx, &files);
    check::admin(ctx, &listeners, process.admin.as_ref());
    let listeners: Vec<_> = listeners.into_iter().map(|(l, place)| (Arc::new(l), place)).collect();
    let by_name = listeners.iter().map(|(l, _)| (l.name.clone(), Arc::clone(l))).collect();

    cloud.cloud.registrations = cloud::registration::read(ctx, &files, &accounts, &by_name);

    let middleware_nodes = named(ctx, &files, "middlewares");
    let middlewares: BTreeMap<_, _> = middleware_nodes
        .iter()
        .filter_map(|(name, node)| middleware::middleware(ctx, node, Ok(&name.text)))
        .map(|m| (m.name.clone(), Arc::new(m)))
        .collect();

    let both = [listener_nodes, cloud.accelerator_nodes].concat();
    check::names_of_listeners(ctx, &both);
    let names = route::Names {
        listeners: &by_name,
        accelerators: &cloud.cloud.accelerators,
        listener_names: Known::new("listener", &both),
        middlewares: &middlewares,
        middleware_names: Known::new("middleware", &middleware_nodes),
        upstreams: &upstreams,
    };
    let routes: Vec<_> = named(ctx, &files, "routes")
        .into_iter()
        .filter_map(|(name, node)| {
            let section = Section::open(ctx, node, &keys::ROUTE)?;
            Some((route::route(&section, &name.text, &names), name.place))
        })
        .collect();
    check::ties(ctx, &routes);
    let listeners = [listeners, cloud::accelerator::as_listeners(&cloud.accelerators)].concat();
    check::routeless(ctx, &listeners, &routes);
    names.middleware_names.warn_unused(ctx);
    upstreams.warn_unused(ctx);

    let upstreams: BTreeMap<_, _> = upstream_nodes
        .iter()
        .filter_map(|(name, node)| {
            upstream::upstream(&Section::open(ctx, node, &keys::UPSTREAM)?, &name.text, &accounts)
        })
        .map(|u| (u.name.clone(), Arc::new(u)))
        .collect();
    check::protocols(ctx, &routes, |name| upstreams.get(name).map(Arc::as_ref));
    check::datagrams(ctx, &listeners, &upstreams);
    cloud::certificate::reachable(ctx, &certificate_nodes, &cloud.cloud.certificates, &listeners);
    cloud::certificate::covered(ctx, &cloud.cloud.certificates, &listeners, &routes);
    certificates.warn_unused(ctx);
    Config {
        listeners: by_name,
        routes: routes.into_iter().map(|(route, _)| Arc::new(route)).collect(),
        middlewares,
        upstreams,
        cloud: cloud.cloud,
        ..process
    }
}

/// Complains that there is no listener. Where `listeners` is misspelt, or is no map, that was complained about.
fn without_listener(ctx: &Ctx<'_>, files: &[Section<'_>]) {
    let meant = |f: &Section<'_>| f.was_meant("listeners") || f.get("listeners").is_some_and(|n| !n.is_blank());
    if files.iter().any(meant) {
        return;
    }
    let help = "add `listeners: {web: {bind: \":8080\"}}`".to_owned();
    let place = files.first().map_or(Place { file: 0, line: 1, column: 1, end: 2, last: 1 }, |f| f.place);
    ctx.error_help(place, "no_listener", "a configuration needs at least one listener", help);
}

/// The sections of the process, each in at most one file.
fn process(ctx: &Ctx<'_>, files: &[Section<'_>]) -> Config {
    let runtime = once(ctx, files, "runtime").and_then(|f| f.sub("runtime", &keys::RUNTIME));
    let log = once(ctx, files, "log").and_then(|f| f.sub("log", &keys::LOG));
    let admin = match once(ctx, files, "admin") {
        Some(file) if file.get("admin").is_some_and(|node| value::is_off(ctx, node)) => None,
        Some(file) => file.sub("admin", &keys::ADMIN).map(|s| process::admin(&s)),
        None => Some(Admin::default()),
    };
    Config {
        runtime: runtime.map_or_else(Runtime::default, |s| process::runtime(&s)),
        log: log.map_or_else(Log::default, |s| process::log(&s)),
        admin,
        state_dir: once(ctx, files, "state_dir").and_then(|f| f.read("state_dir", value::output)),
        ..Config::default()
    }
}

/// The file that has a key; complains when a second one has it too.
fn once<'f, 's>(ctx: &Ctx<'_>, files: &'f [Section<'s>], key: &'static str) -> Option<&'f Section<'s>> {
    let mut there = files.iter().filter_map(|f| f.entry(key).map(|(name, _)| (f, name)));
    let (file, first) = there.next()?;
    for (_, name) in there {
        let message = format!("`{key}` is in more than one file");
        ctx.clash(name.place, "duplicate_key", message, first.place, "keep one of them");
    }
    Some(file)
}

/// The things of one kind from all files, each name once.
fn named<'s>(ctx: &Ctx<'_>, files: &[Section<'s>], key: &'static str) -> Vec<(&'s Name, &'s Node)> {
    let mut first: HashMap<&str, Place> = HashMap::new();
    let mut all = Vec::new();
    for (name, node) in files.iter().flat_map(|f| f.map(key)) {
        if !names::is_name(&name.text) {
            let help = "1 to 63 letters, digits, `-`, `_` and `.`".to_owned();
            ctx.error_help(name.place, "bad_name", format!("`{}` is not a name", name.text), help);
        }
        match first.get(&*name.text) {
            Some(before) => {
                let message = format!("`{}` is in `{key}` twice", name.text);
                ctx.clash(name.place, "duplicate_key", message, *before, "keep one of them, or rename it");
            }
            None => {
                first.insert(&name.text, name.place);
                all.push((name, node));
            }
        }
    }
    all
}
