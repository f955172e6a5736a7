//! Who is let in. A page of a foreign site can make a browser of this host send requests here (DNS rebinding, cross-site
//! requests), so a request must show that it is meant for this address and does not come from such a page.

use std::net::SocketAddr;

use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode, header};

use crate::Token;
use crate::answer::Refusal;

/// What the gate must know of the door a request came through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wall {
    /// TCP on this address. Browsers can reach it.
    Port(SocketAddr),
    /// A Unix socket or a named pipe. Browsers cannot reach it, and it has no name to be checked.
    Local,
}

/// Refuses what is not meant for us or comes from a foreign page.
pub(crate) fn admit(head: &Parts, wall: &Wall) -> Result<(), Refusal> {
    if let Wall::Port(own) = wall {
        check_host(head, *own)?;
    }
    check_origin(&head.headers, wall)?;
    check_site(&head.headers)
}

fn check_host(head: &Parts, own: SocketAddr) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|h| h.to_str().ok()).unwrap_or_default();
    let authority = head.uri.authority().map_or(host, |a| a.as_str());
    if hosts.next().is_none() && is_local(host, own) && is_local(authority, own) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "host_not_local",
        format!("the request is for the host {host:?}, which is not this admin API"),
        format!("use http://{own} or http://localhost:{}", own.port()),
    ))
}

/// Whether `host[:port]` names this host and our port. Of the other loopback addresses only our own will do: at the rest
/// of them somebody else may serve pages.
fn is_local(authority: &str, own: SocketAddr) -> bool {
    let (port, own) = (own.port(), own.to_string());
    if authority == own {
        return true;
    }
    let names = ["localhost", "127.0.0.1", "[::1]"];
    names.iter().any(|name| {
        let rest = authority.get(..name.len()).filter(|n| n.eq_ignore_ascii_case(name));
        match rest.and_then(|_| authority.get(name.len()..)) {
            Some("") => port == 80,
            Some(rest) => rest.strip_prefix(':') == Some(port.to_string().as_str()),
            None => false,
        }
    })
}

fn check_origin(headers: &HeaderMap, wall: &Wall) -> Result<(), Refusal> {
    let is_ours = |origin: &str| match wall {
        Wall::Port(own) => origin.strip_prefix("http://").is_some_and(|host| is_local(host, *own)),
        Wall::Local => false,
    };
    if headers.get_all(header::ORIGIN).iter().all(|o| o.to_str().is_ok_and(is_ours)) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "origin_not_local",
        "the request comes from a page of another site",
        "nothing outside this host may use the admin API; call it from a program without an Origin field",
    ))
}

/// A page of another local port is another site's page to us, so `same-site` is refused as well.
fn check_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_ours = |site: &[u8]| site == b"same-origin" || site == b"none";
    if headers.get_all("sec-fetch-site").iter().all(|site| is_ours(site.as_bytes())) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "cross_site",
        "a browser sent the request for a page of another site",
        "open the admin API itself, or call it from a program",
    ))
}

/// Refuses a write without the token.
pub(crate) fn authorise(headers: &HeaderMap, token: &Token) -> Result<(), Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first.filter(|_| second.is_none()) else {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "token_missing",
            "this request changes something and carries no token",
            "send Authorization: Bearer TOKEN with the content of the token file, or use the yumen command",
        ));
    };
    let given = value.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    if given.is_some_and(|(_, text)| token.is(text)) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "token_wrong",
        "the token is not the one of this gateway",
        "read the token file again: it may have been replaced",
    ))
}

/// Refuses content that is not declared as JSON: a form or a plain text is what a foreign page can send unasked.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let declared = types.next().and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    if types.next().is_none() && media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not_json",
        "the content is not declared as JSON",
        "send Content-Type: application/json",
    ))
}

/// Whether a method changes something.
pub(crate) fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use hyper::Request;

    use super::*;

    fn verdict(wall: &Wall, uri: &str, fields: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap().into_parts().0, wall).map_err(|refusal| refusal.reason)
    }

    const fn on(last: u8, port: u16) -> Wall {
        Wall::Port(SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, last)), port))
    }

    const TCP: Wall = on(1, 9900);

    #[test]
    fn hosts_of_this_port_are_let_in() {
        for host in ["localhost:9900", "LocalHost:9900", "127.0.0.1:9900", "[::1]:9900"] {
            assert_eq!(verdict(&TCP, "/status", &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(verdict(&on(1, 80), "/", &[("host", "localhost")]), Ok(()));
        assert_eq!(verdict(&Wall::Local, "/", &[("host", "anything")]), Ok(()));
        assert_eq!(verdict(&Wall::Local, "/", &[]), Ok(()));
    }

    #[test]
    fn address_that_was_configured_is_let_in_and_its_neighbours_are_not() {
        assert_eq!(verdict(&on(2, 9900), "/", &[("host", "127.0.0.2:9900")]), Ok(()));
        assert_eq!(verdict(&on(2, 9900), "/", &[("host", "127.0.0.3:9900")]), Err("host_not_local"));
        let foreign = [("host", "127.0.0.2:9900"), ("origin", "http://127.0.0.3:9900")];
        assert_eq!(verdict(&on(2, 9900), "/", &foreign), Err("origin_not_local"));
    }

    #[test]
    fn any_other_host_is_refused() {
        for host in [
            "evil.example:9900",
            "localhost",
            "localhost:9901",
            "localhost:09900",
            "localhost:9900.evil.example",
            "localhost.evil.example:9900",
            "127.0.0.1.evil.example:9900",
            "user@localhost:9900",
            "127.1:9900",
            "[::1]9900",
            "",
        ] {
            assert_eq!(verdict(&TCP, "/status", &[("host", host)]), Err("host_not_local"), "{host}");
        }
        assert_eq!(verdict(&TCP, "/", &[]), Err("host_not_local"));
        let two = [("host", "localhost:9900"), ("host", "localhost:9900")];
        assert_eq!(verdict(&TCP, "/", &two), Err("host_not_local"));
        assert_eq!(verdict(&TCP, "http://evil.example/", &[("host", "localhost:9900")]), Err("host_not_local"));
        assert_eq!(verdict(&TCP, "http://localhost:9900/", &[("host", "evil.example")]), Err("host_not_local"));
    }

    #[test]
    fn only_our_own_pages_may_call() {
        let with = |name, value| verdict(&TCP, "/", &[("host", "localhost:9900"), (name, value)]);
        assert_eq!(with("origin", "http://localhost:9900"), Ok(()));
        for origin in
            ["null", "http://evil.example", "http://localhost:3000", "https://localhost:9900", "localhost:9900"]
        {
            assert_eq!(with("origin", origin), Err("origin_not_local"), "{origin}");
        }
        assert_eq!(with("sec-fetch-site", "same-origin"), Ok(()));
        assert_eq!(with("sec-fetch-site", "none"), Ok(()));
        assert_eq!(with("sec-fetch-site", "cross-site"), Err("cross_site"));
        assert_eq!(with("sec-fetch-site", "same-site"), Err("cross_site"));
        assert_eq!(verdict(&Wall::Local, "/", &[("origin", "http://localhost")]), Err("origin_not_local"));
    }
}
