//! Listeners that no file has, laid over those of the files. What a file says wins.

use std::sync::Arc;

use crate::config::{AdminListen, Config, Listener, Protocol, overlap};

/// A generated listener that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its name.
    pub listener: String,
    /// Why, for operators.
    pub text: String,
}

/// A configuration with more listeners, and those that could not be added: something of the files has their name or one of
/// their addresses, or an earlier one of `generated` has.
pub fn overlay(config: &Config, generated: impl IntoIterator<Item = Arc<Listener>>) -> (Config, Vec<Conflict>) {
    let mut merged = config.clone();
    let mut conflicts = Vec::new();
    for listener in generated {
        match obstacle(&merged, &listener) {
            Some(text) => conflicts.push(Conflict { listener: listener.name.to_string(), text }),
            None => drop(merged.listeners.insert(listener.name.clone(), listener)),
        }
    }
    (merged, conflicts)
}

/// What keeps a listener out.
fn obstacle(config: &Config, new: &Listener) -> Option<String> {
    if config.listeners.contains_key(&new.name) {
        return Some(format!("there is a listener `{}` already", new.name));
    }
    let meets = |old: &Arc<Listener>| new.meets(old).map(|address| (old.name.clone(), address));
    if let Some((name, address)) = config.listeners.values().find_map(meets) {
        return Some(format!("listener `{name}` has the address {address}"));
    }
    let admin = match config.admin.as_ref().map(|admin| &admin.listen) {
        Some(AdminListen::Tcp(address)) if address.port() != 0 && new.protocol != Protocol::Udp => *address,
        _ => return None,
    };
    let taken = new.bind.iter().any(|bind| overlap(*bind, admin));
    taken.then(|| format!("the admin endpoint has the address {admin}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::parse_str;

    fn read(text: &str) -> Config {
        parse_str("t", text, &|_| None).map(|l| l.config).map_err(|e| crate::render(&e)).unwrap()
    }

    fn listeners(text: &str) -> Vec<Arc<Listener>> {
        let whole = format!("listeners: {{{text}}}\nupstreams: {{u: {{endpoints: \"h:1\"}}}}\nadmin: off\n");
        let made = |l: &Arc<Listener>| Arc::new(Listener { generated_by: Some("edge".into()), ..Listener::clone(l) });
        read(&whole).listeners.values().map(made).collect()
    }

    #[test]
    fn what_a_file_has_wins_over_what_was_generated() {
        let file = "listeners: {web: {bind: \":80\"}, d: {bind: \":53\", protocol: udp, upstream: u}}\n\
                    routes: {r: {upstream: u}}\nupstreams: {u: {endpoints: \"h:1\"}}\nadmin: {listen: \"127.0.0.1:9900\"}\n";
        let config = read(file);
        let more = "web: {bind: \":81\", protocol: tcp, upstream: u}, a: {bind: \"127.0.0.1:80\", protocol: tcp, upstream: u}, \
                    b: {bind: \":53\", protocol: tcp, upstream: u}, c: {bind: \"[::]:9900\", protocol: tcp, upstream: u}, \
                    e: {bind: \":9900\", protocol: udp, upstream: u}";
        let (merged, conflicts) = overlay(&config, listeners(more));
        let names: Vec<&str> = merged.listeners.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["b", "d", "e", "web"], "TCP and UDP have ports of their own");
        let told: Vec<(&str, &str)> = conflicts.iter().map(|c| (c.listener.as_str(), c.text.as_str())).collect();
        assert_eq!(
            told,
            [
                ("a", "listener `web` has the address 127.0.0.1:80"),
                ("c", "the admin endpoint has the address 127.0.0.1:9900"),
                ("web", "there is a listener `web` already"),
            ]
        );
        assert!(Arc::ptr_eq(&merged.listeners["web"], &config.listeners["web"]));
    }

    #[test]
    fn the_earlier_of_two_generated_listeners_stays() {
        let config = read("listeners: {web: {bind: \":80\"}}\nroutes: {r: {middlewares: [respond: {status: 200}]}}\n");
        let both = [
            listeners("a: {bind: \":1\", protocol: tcp, upstream: u}"),
            listeners("b: {bind: \"127.0.0.1:1\", protocol: tcp, upstream: u}"),
        ];
        let (merged, conflicts) = overlay(&config, both.concat());
        assert_eq!((merged.listeners.len(), conflicts.len()), (2, 1));
        assert_eq!(conflicts[0].listener, "b");
    }
}
