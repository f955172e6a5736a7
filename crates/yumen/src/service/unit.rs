//! The text of a systemd unit.
//!
//! Everything the gateway does not need is taken from it. What `systemd-analyze security` makes of it stands in
//! `docs/guide/service.md`; a test keeps it there.

use std::fmt::Write;
use std::path::Path;

use super::Instance;
use super::plan::Plan;

/// What the end takes beside the connections, in seconds.
const MARGIN: u64 = 10;

/// A mark by which our own units are known; systemd ignores sections that begin like this.
const SECTION: &str = "[X-Yumen]";

/// Settings that every unit has. `ProcSubset=pid` is missing, because the figures of the machine stand in `/proc`;
/// `sched_setaffinity` is allowed, because each worker keeps to one core.
const HARDENING: &str = "\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=sched_setaffinity
UMask=0077
";

/// The unit of a plan.
///
/// Writing to a `String` cannot fail, so the results of `write!` carry nothing.
pub(super) fn text(plan: &Plan) -> String {
    let id = plan.instance.id();
    let (program, config) = (quoted(&plan.program), quoted(&plan.config));
    let mut out = String::new();
    _ = write!(
        out,
        "# Written by `yumen service install`, which replaces it. Settings of your own: `systemctl edit {id}`.\n\
         [Unit]\nDescription={}\nWants=network-online.target\nAfter=network-online.target nss-lookup.target\n\
         RequiresMountsFor={config}\n\
         # A gateway is worth any number of attempts.\nStartLimitIntervalSec=0\n\n",
        plan.instance.title()
    );
    let reload = if plan.needs.admin {
        // It waits for the outcome and fails when the configuration is refused.
        format!("{program} reload --config {config}")
    } else {
        "/bin/kill -HUP $MAINPID".to_owned()
    };
    let stop = plan.needs.drain.as_secs().saturating_add(MARGIN);
    _ = write!(
        out,
        "[Service]\nType=notify\nNotifyAccess=main\n\
         ExecStart={program} service run --name {} --config {config}\nExecReload={reload}\n\
         Restart=on-failure\nRestartSec=5s\nWatchdogSec=30s\nTimeoutStartSec=60s\nTimeoutStopSec={stop}s\n\
         LimitNOFILE=1048576\n\n{}\
         ConfigurationDirectory=yumen\nStateDirectory={id}\nStateDirectoryMode=0700\nLogsDirectory={id}\n\
         RuntimeDirectory={id}\n",
        plan.instance,
        account(plan)
    );
    if plan.account.is_some() {
        for folder in &plan.needs.writes {
            _ = writeln!(out, "ReadWritePaths={}", quoted(folder));
        }
    }
    let right = if plan.needs.low_port { "CAP_NET_BIND_SERVICE" } else { "" };
    _ = write!(out, "\nAmbientCapabilities={right}\nCapabilityBoundingSet={right}\n");
    if !plan.needs.low_port {
        // In a user namespace of its own the right to a low port would count for nothing.
        out.push_str("PrivateUsers=yes\n");
    }
    out.push_str(HARDENING);
    _ = write!(out, "\n[Install]\nWantedBy=multi-user.target\n\n{SECTION}\nConfiguration={}\n", plan.config.display());
    out
}

fn account(plan: &Plan) -> String {
    match &plan.account {
        Some(user) => format!("User={user}\n"),
        None => "DynamicUser=yes\n".to_owned(),
    }
}

/// The file name of a unit.
pub(super) fn file_name(instance: &Instance) -> String {
    format!("{}.service", instance.id())
}

/// Whether a unit was written by this program.
pub(super) fn is_ours(unit: &str) -> bool {
    unit.lines().any(|line| line == SECTION)
}

/// The configuration file that a unit of ours names.
pub(super) fn config_of(unit: &str) -> Option<&str> {
    unit.lines().skip_while(|line| *line != SECTION).find_map(|line| line.strip_prefix("Configuration="))
}

/// A path as one word of a unit: no specifier, no variable, no end of the word within it (systemd.syntax(7)).
fn quoted(path: &Path) -> String {
    let mut out = String::from("\"");
    for c in path.to_string_lossy().chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' => out.push_str("%%"),
            '$' => out.push_str("$$"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::plan::Needs;
    use super::*;

    fn plan() -> Plan {
        Plan {
            instance: Instance::default(),
            program: "/usr/bin/yumen".into(),
            config: "/etc/yumen/a b%c$d.yaml".into(),
            account: None,
            needs: Needs { drain: Duration::from_secs(30), admin: true, ..Needs::default() },
        }
    }

    fn has(unit: &str, line: &str) -> bool {
        unit.lines().any(|l| l == line)
    }

    #[test]
    fn rights_are_given_only_when_a_port_needs_them() {
        let mut plan = plan();
        let unit = text(&plan);
        assert!(
            has(&unit, "CapabilityBoundingSet=") && has(&unit, "PrivateUsers=yes") && has(&unit, "TimeoutStopSec=40s")
        );
        plan.needs.low_port = true;
        let unit = text(&plan);
        assert!(has(&unit, "AmbientCapabilities=CAP_NET_BIND_SERVICE") && !has(&unit, "PrivateUsers=yes"), "{unit}");
    }

    #[test]
    fn path_stays_one_word_and_is_found_again() {
        let unit = text(&plan());
        let start = "ExecStart=\"/usr/bin/yumen\" service run --name yumen --config \"/etc/yumen/a b%%c$$d.yaml\"";
        assert!(has(&unit, start), "{unit}");
        assert_eq!(config_of(&unit), Some("/etc/yumen/a b%c$d.yaml"));
        assert!(is_ours(&unit) && !is_ours("[Service]\n"));
    }

    #[test]
    fn account_that_is_named_takes_the_place_of_the_one_that_is_made() {
        let mut plan = plan();
        plan.needs.writes.push("/srv/log".into());
        assert!(!text(&plan).contains("/srv/log"));
        plan.account = Some("www".to_owned());
        let unit = text(&plan);
        assert!(has(&unit, "User=www") && !unit.contains("DynamicUser") && has(&unit, "ReadWritePaths=\"/srv/log\""));
    }

    #[test]
    fn reload_is_a_signal_where_nobody_could_answer() {
        let mut plan = plan();
        assert!(text(&plan).contains("ExecReload=\"/usr/bin/yumen\" reload --config "));
        plan.needs.admin = false;
        assert!(has(&text(&plan), "ExecReload=/bin/kill -HUP $MAINPID"));
    }
}
