//! `runtime`, `admin` and `log`.

use std::net::SocketAddr;

use super::ctx::Ctx;
use super::section::Section;
use super::value;
use crate::config::{AccessLog, Admin, AdminListen, Log, LogFormat, LogOutput, Rotate, Runtime};
use crate::keys;
use crate::yaml::Node;

pub(super) fn runtime(section: &Section<'_>) -> Runtime {
    let default = Runtime::default();
    Runtime {
        workers: match section.get("workers") {
            Some(node) if !value::is_word(section.ctx, node, "auto") => section.read("workers", value::amount),
            _ => None,
        },
        drain_timeout: section.read("drain_timeout", value::duration).unwrap_or(default.drain_timeout),
    }
}

/// `admin`, of which `off` is handled by the caller.
pub(super) fn admin(section: &Section<'_>) -> Admin {
    Admin {
        listen: section.read("listen", admin_listen).unwrap_or_else(|| Admin::default().listen),
        token_file: section.read("token_file", value::output),
    }
}

fn admin_listen(ctx: &Ctx<'_>, node: &Node) -> Option<AdminListen> {
    let text = ctx.text(node)?;
    if let Some(path) = text.strip_prefix("unix:").filter(|p| !p.is_empty()) {
        return ctx.resolve(node.place, path).map(AdminListen::Unix);
    }
    if let Some(name) = text.strip_prefix("pipe:").filter(|n| !n.is_empty()) {
        return Some(AdminListen::Pipe(name.to_owned()));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Some(AdminListen::Tcp(address)),
        Ok(address) => {
            let help = "use 127.0.0.1 or [::1], `unix:PATH` or `pipe:NAME`".to_owned();
            ctx.error_help(node.place, "admin_not_local", format!("{address} is not a loopback address"), help);
            None
        }
        Err(_) => {
            let help = "such as `127.0.0.1:9900`, `unix:/run/yumen.sock` or `pipe:yumen`".to_owned();
            let message = format!("{} is not an address for the admin endpoint", value::found(node));
            let help = value::help_for(node, Some(help)).unwrap_or_default();
            ctx.error_help(node.place, "bad_value", message, help);
            None
        }
    }
}

pub(super) fn log(section: &Section<'_>) -> Log {
    let default = Log::default();
    let level = |ctx: &Ctx<'_>, node: &Node| {
        let words = ["error", "warn", "info", "debug", "trace"].map(|w| (w, w));
        value::one_of(ctx, node, &words)
    };
    let access = match section.get("access") {
        Some(node) if value::is_off(section.ctx, node) => AccessLog { output: LogOutput::Off, ..AccessLog::default() },
        _ => section.sub("access", &keys::ACCESS_LOG).map(|s| access(&s)).unwrap_or_default(),
    };
    Log { level: section.read("level", level).map_or(default.level, str::to_owned), access }
}

fn access(section: &Section<'_>) -> AccessLog {
    let output = |ctx: &Ctx<'_>, node: &Node| match &*ctx.text(node)? {
        "stdout" => Some(LogOutput::Stdout),
        "off" => Some(LogOutput::Off),
        _ => value::output(ctx, node).map(LogOutput::File),
    };
    let format = |ctx: &Ctx<'_>, node: &Node| {
        value::one_of(ctx, node, &[("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)])
    };
    let output = section.read("output", output).unwrap_or_default();
    if let (Some((name, _)), LogOutput::Stdout | LogOutput::Off) = (section.entry("rotate"), &output) {
        no_file(section, name.place);
    }
    AccessLog {
        output,
        format: section.read("format", format).unwrap_or_default(),
        rotate: section.sub("rotate", &keys::ROTATE).map(|s| rotate(&s)).unwrap_or_default(),
    }
}

fn no_file(section: &Section<'_>, place: crate::yaml::Place) {
    let help = "give `output` the path of a file, or remove `rotate`";
    section.ctx.warn(place, "no_effect", "`rotate` has no effect: the access log is not a file", help);
}

fn rotate(section: &Section<'_>) -> Rotate {
    let default = Rotate::default();
    Rotate {
        size: section.read("size", value::size).unwrap_or(default.size),
        age: section.read("age", value::duration).unwrap_or(default.age),
        keep: section.read("keep", value::amount).unwrap_or(default.keep),
    }
}
