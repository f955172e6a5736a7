//! Why a route does not take a request, in words, and which routes came nearest to taking it.
//!
//! Off the data path: it judges every route of a listener by its section and by nothing that was compiled, so it also
//! tells of those that the tables never offer because their host or path is another.

use std::cmp::Reverse;
use std::sync::Arc;

use regex::Regex;
use yumen_config::config::{self, HostPattern, PathMatch};
use yumen_core::{Caller, Request};

use super::table::{Route, Table};

/// How many hosts of a route are named.
const HOSTS: usize = 3;

/// A route that would have come before the one taken, but does not take the request.
pub(crate) struct Miss {
    pub(crate) route: Arc<Route>,
    /// Everything that does not hold.
    pub(crate) why: Vec<String>,
}

/// How specific a route is, the greater the more: host, path, number of conditions.
type Rank = ((u8, usize), (u8, usize), usize);

/// The routes of a listener that would have been preferred to `taken` and fail by host or path, the nearest first; at
/// most `limit`, and how many more there are.
pub(crate) fn nearest(
    table: &Table,
    (request, caller): (&Request, Caller<'_>),
    on: &config::Listener,
    taken: Option<&Arc<Route>>,
    limit: usize,
) -> (Vec<Miss>, usize) {
    let (host, path) = (host_of(request), request.path());
    let floor = taken.map(|route| rank(&route.config, &host));
    let mut found = Vec::new();
    for route in table.routes().iter().filter(|r| on.is_among(&r.config.listeners)) {
        let (host_fails, path_fails) = (host_fault(&route.config, &host), path_fault(&route.config.matcher.path, path));
        if host_fails.is_none() && path_fails.is_none() {
            continue; // the table offers it
        }
        let own = rank(&route.config, &host);
        if floor.is_some_and(|floor| own <= floor) {
            continue;
        }
        let mut why: Vec<String> = host_fails.into_iter().chain(path_fails).collect();
        why.extend(route.failing(request, caller));
        let close = closeness(&route.config, &host, path);
        found.push((why.len(), Reverse(close), Reverse(own), Miss { route: Arc::clone(route), why }));
    }
    // The one that fails by the least, and then the most alike.
    found.sort_by_key(|(misses, close, own, _)| (*misses, *close, *own));
    let (least, closest) = found.first().map_or((0, 0), |(misses, Reverse(close), ..)| (*misses, *close));
    // One that is nothing like the request is no near miss beside one that is.
    found.retain(|(misses, Reverse(close), ..)| *misses == least && close * 4 >= closest);
    let more = found.len().saturating_sub(limit);
    found.truncate(limit);
    (found.into_iter().map(|(.., miss)| miss).collect(), more)
}

/// The host as patterns are written: lower case, without a final dot.
fn host_of(request: &Request) -> String {
    let host = request.host();
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn takes_host(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Exact(name) => **name == *host,
        HostPattern::Below(name) => {
            host.strip_suffix(&**name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        HostPattern::Any => true,
    }
}

fn rank(route: &config::Route, host: &str) -> Rank {
    let of = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => (2, name.len()),
        HostPattern::Below(name) => (1, name.len()),
        HostPattern::Any => (0, 0),
    };
    let taking = route.hosts.iter().filter(|pattern| takes_host(pattern, host)).map(of).max();
    let by_host = taking.or_else(|| route.hosts.iter().map(of).max()).unwrap_or_default();
    let matcher = &route.matcher;
    let by_path = match &matcher.path {
        PathMatch::Exact(_) => (3, 0),
        PathMatch::Template(text) => (2, template_rank(text)),
        PathMatch::Regex(_) => (1, 0),
        PathMatch::Prefix(text) => (0, text.trim_end_matches('/').len()),
    };
    let conditions = usize::from(!matcher.methods.is_empty())
        + matcher.headers.len()
        + matcher.query.len()
        + usize::from(!matcher.source.is_empty())
        + usize::from(matcher.client_cert.is_some());
    (by_host, by_path, conditions)
}

/// The segments of a template as the digits of a number, so that the left one counts most; those that do not fit count
/// nothing.
fn template_rank(text: &str) -> usize {
    let digit = |segment: Option<&str>| match segment {
        Some(s) if s.starts_with('{') => usize::from(!s.ends_with("...}")),
        Some(_) => 2,
        None => 0,
    };
    let mut segments = text.split('/').skip(1);
    (0..20).fold(0, |rank, _| rank * 3 + digit(segments.next()))
}

/// How alike a route's patterns and a request are: characters that agree, of hosts from the end, of paths from the start.
fn closeness(route: &config::Route, host: &str, path: &str) -> usize {
    let agree = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
        a.zip(b).take_while(|(a, b)| a == b).count()
    };
    let by_host = route.hosts.iter().map(|pattern| match pattern {
        HostPattern::Exact(name) | HostPattern::Below(name) => agree(&mut name.chars().rev(), &mut host.chars().rev()),
        HostPattern::Any => 0,
    });
    let by_path = match &route.matcher.path {
        PathMatch::Exact(text) | PathMatch::Prefix(text) | PathMatch::Template(text) => {
            agree(&mut text.chars(), &mut path.chars())
        }
        PathMatch::Regex(text) => agree(&mut text.trim_start_matches('^').chars(), &mut path.chars()),
    };
    by_host.max().unwrap_or(0) + by_path
}

/// Why no host pattern of a route takes a host.
fn host_fault(route: &config::Route, host: &str) -> Option<String> {
    if route.hosts.iter().any(|pattern| takes_host(pattern, host)) {
        return None;
    }
    let shown = if host.is_empty() { "no host" } else { host };
    let parent = route.hosts.iter().any(|pattern| matches!(pattern, HostPattern::Below(name) if **name == *host));
    if parent {
        return Some(format!("`*.{host}` takes the hosts below {host}, not {host} itself"));
    }
    Some(match route.hosts.as_slice() {
        [one] => format!("host {shown} is not {one}"),
        all => {
            let named: Vec<String> = all.iter().take(HOSTS).map(ToString::to_string).collect();
            let more = match all.len().saturating_sub(HOSTS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("host {shown} is none of {}{more}", named.join(", "))
        }
    })
}

/// Why a pattern does not take a path.
fn path_fault(pattern: &PathMatch, path: &str) -> Option<String> {
    match pattern {
        PathMatch::Prefix(text) if path == "*" && **text == *"/" => None,
        _ if path == "*" => Some("`OPTIONS *` is for the server as a whole: only the prefix / takes it".to_owned()),
        PathMatch::Exact(text) if **text == *path => None,
        PathMatch::Exact(text) => Some(match () {
            () if text.trim_end_matches('/') == path.trim_end_matches('/') => {
                format!("path {path} is not {text}: a final slash makes another path")
            }
            () if text.eq_ignore_ascii_case(path) => format!("path {path} is not {text}: upper and lower case differ"),
            () => format!("path {path} is not {text}"),
        }),
        PathMatch::Prefix(text) => {
            let bare = text.strip_suffix('/').unwrap_or(text);
            match path.strip_prefix(bare) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => None,
                Some(_) => Some(format!("path {path} is not below {bare}: a prefix ends where a segment does")),
                None => Some(format!("path {path} is neither {bare} nor below it")),
            }
        }
        // What was compiled for the table compiles here too.
        PathMatch::Regex(text) if Regex::new(text).is_ok_and(|regex| regex.is_match(path)) => None,
        PathMatch::Regex(text) => Some(format!("path {path} does not match {text}")),
        PathMatch::Template(text) => template_fault(text, path),
    }
}

fn template_fault(template: &str, path: &str) -> Option<String> {
    let mut rest = Some(path.strip_prefix('/').unwrap_or(path));
    for (at, wanted) in template.strip_prefix('/').unwrap_or(template).split('/').enumerate() {
        let Some(left) = rest else {
            return Some(format!("path {path} ends before segment {} of {template}, `{wanted}`", at + 1));
        };
        if wanted.ends_with("...}") && wanted.starts_with('{') {
            return left.is_empty().then(|| format!("path {path} has nothing for `{wanted}`"));
        }
        let (segment, below) = left.split_once('/').map_or((left, None), |(segment, below)| (segment, Some(below)));
        match wanted.starts_with('{') {
            true if segment.is_empty() => return Some(format!("path {path} has nothing for `{wanted}`")),
            false if segment != wanted => {
                return Some(format!("segment {} of path {path} is `{segment}`, not `{wanted}`", at + 1));
            }
            _ => {}
        }
        rest = below;
    }
    rest.map(|more| format!("path {path} goes on behind {template} with `/{more}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_taken_is_told_by_what_is_different() {
        let said = |pattern: PathMatch, path: &str| path_fault(&pattern, path);
        let exact = || PathMatch::Exact("/a/b".into());
        assert_eq!(said(exact(), "/a/b"), None);
        assert_eq!(said(exact(), "/a/b/").as_deref(), Some("path /a/b/ is not /a/b: a final slash makes another path"));
        assert_eq!(said(exact(), "/A/b").as_deref(), Some("path /A/b is not /a/b: upper and lower case differ"));
        let prefix = || PathMatch::Prefix("/a/".into());
        assert!(said(prefix(), "/a").is_none() && said(prefix(), "/a/x").is_none());
        assert!(said(prefix(), "/ab").is_some_and(|why| why.ends_with("a prefix ends where a segment does")));
        assert!(said(PathMatch::Prefix("/".into()), "*").is_none() && said(prefix(), "*").is_some());
        let template = |path: &str| said(PathMatch::Template("/v1/{id}/x/{rest...}".into()), path);
        assert_eq!(template("/v1/7/x/y/z"), None);
        assert_eq!(template("/v1//x/y").as_deref(), Some("path /v1//x/y has nothing for `{id}`"));
        assert_eq!(template("/v1/7/x/").as_deref(), Some("path /v1/7/x/ has nothing for `{rest...}`"));
        assert_eq!(template("/v1/7").as_deref(), Some("path /v1/7 ends before segment 3 of /v1/{id}/x/{rest...}, `x`"));
        assert_eq!(template("/v1/7/y/z").as_deref(), Some("segment 3 of path /v1/7/y/z is `y`, not `x`"));
        let short = said(PathMatch::Template("/v1/{id}".into()), "/v1/7/y");
        assert_eq!(short.as_deref(), Some("path /v1/7/y goes on behind /v1/{id} with `/y`"));
    }
}
