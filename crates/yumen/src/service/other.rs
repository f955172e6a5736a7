//! Systems whose services this program does not know.

use anyhow::bail;

use super::plan::{Outcome, Plan, Scope};
use super::{Facts, Instance};

const NONE: &str = "services of this system are not known to yumen: let its service manager run `yumen run -c FILE`";

pub(crate) fn install(_: &Plan, _: &Scope) -> anyhow::Result<Outcome> {
    bail!(NONE)
}

pub(crate) fn uninstall(_: &Instance, _: &Scope) -> anyhow::Result<Outcome> {
    bail!(NONE)
}

pub(crate) fn start(_: &Instance) -> anyhow::Result<()> {
    bail!(NONE)
}

pub(crate) fn stop(_: &Instance) -> anyhow::Result<()> {
    bail!(NONE)
}

pub(crate) fn reload(_: &Instance) -> anyhow::Result<()> {
    bail!(NONE)
}

pub(crate) fn facts(_: &Instance, _: &Scope) -> anyhow::Result<Facts> {
    bail!(NONE)
}

pub(crate) fn logs(_: &Instance, _: usize, _: bool) -> anyhow::Result<()> {
    bail!(NONE)
}
