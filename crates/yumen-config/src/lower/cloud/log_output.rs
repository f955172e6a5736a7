//! Outputs of the access log.

use std::time::Duration;

use super::account::Accounts;
use crate::config::{SlsOutput, Spill};
use crate::keys;
use crate::lower::ctx::Ctx;
use crate::lower::section::Section;
use crate::lower::value;
use crate::yaml::Node;

/// The largest batch: the service does not say in one voice how much it takes.
const LARGEST: u64 = 3 << 20;

pub(super) fn log_output(section: &Section<'_>, accounts: &Accounts<'_>) -> Option<SlsOutput> {
    section.need("sls", |_, _| Some(()))?;
    let sls = section.sub("sls", &keys::SLS)?;
    let account = accounts.of(&sls);
    let (project, store) = (sls.need("project", name), sls.need("store", name));
    let batch = sls.sub("batch", &keys::LOG_BATCH);
    let size = batch.as_ref().and_then(|batch| batch.read("size", size)).unwrap_or(1 << 20);
    let time = batch.as_ref().and_then(|batch| batch.read("time", time)).unwrap_or(Duration::from_secs(2));
    let spill = match sls.get("spill") {
        Some(node) if value::is_off(sls.ctx, node) => None,
        _ => Some(sls.sub("spill", &keys::LOG_SPILL).map_or_else(Spill::default, |spill| Spill {
            dir: spill.read("dir", value::output),
            max: spill.read("max", value::size).unwrap_or(Spill::default().max),
        })),
    };
    let text = |ctx: &Ctx<'_>, node: &Node| ctx.text(node).map(|text| text.into_owned());
    Some(SlsOutput {
        account: account?,
        topic: sls.read("topic", text).unwrap_or_default(),
        source: sls.read("source", text).unwrap_or_default(),
        project: project?,
        store: store?,
        batch_size: size,
        batch_time: time,
        spill,
    })
}

/// Names of projects and stores: both stand in URLs, the project in a host.
fn name(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "3 to 63 lower-case letters, digits, `-` and `_`", |text| {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        ((3..=63).contains(&text.len()) && text.bytes().all(fine)).then(|| text.to_owned())
    })
}

fn size(ctx: &Ctx<'_>, node: &Node) -> Option<u64> {
    let size = value::size(ctx, node)?;
    if size == 0 || size > LARGEST {
        ctx.error_help(node.place, "bad_value", "a batch has from 1 byte to 3 MiB", "such as `1MiB`");
        return None;
    }
    Some(size)
}

fn time(ctx: &Ctx<'_>, node: &Node) -> Option<Duration> {
    let time = value::duration(ctx, node)?;
    if time > Duration::from_secs(60) {
        ctx.error_help(node.place, "bad_value", "lines wait for a minute at most", "such as `2s`");
        return None;
    }
    Some(time)
}
