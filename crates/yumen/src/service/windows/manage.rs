//! Registering, starting and watching services of Windows.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceDependency, ServiceErrorControl, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceSidType, ServiceStartType, ServiceState,
    ServiceStatus, ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use yumen_net::os::windows_service::{ask_reload, limit_privileges};
use yumen_net::os::windows_system::{EventSource, OtherProcess, close_folder};

use super::super::plan::{Outcome, Plan, Scope};
use super::super::{Cause, Facts, Instance, State};
use super::{folder, log_file};

/// After which a start or an end is given up, when it does not tell its own time.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// Waits before the first, the second and every later new start.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];
/// After so long without a failure it counts from the first again.
const FORGIVEN: Duration = Duration::from_secs(86_400);
/// What the end takes beside the connections.
const MARGIN: Duration = Duration::from_secs(10);
/// Words of the command line by which our own services are known.
const OURS: &str = "service run --name";
const CONFIG: &str = " --config ";
const DOES_NOT_EXIST: i32 = 1060;
const EXISTS: i32 = 1073;
const ALREADY_RUNNING: i32 = 1056;
const NOT_ACTIVE: i32 = 1062;
const NEVER_STARTED: u32 = 1077;

/// Registers it, or changes what is registered.
pub(crate) fn install(plan: &Plan, scope: &Scope) -> anyhow::Result<Outcome> {
    ensure!(scope.root.is_none(), "services of Windows are not files; --root has no meaning here");
    let id = plan.instance.id();
    let account = account(plan);
    let info = info(plan, &account);
    let mut outcome = Outcome::default();
    if scope.dry_run {
        outcome.done.push(format!(
            "would register {id} as {account}: {} {:?}",
            info.executable_path.display(),
            info.launch_arguments
        ));
        return Ok(outcome);
    }
    let access = ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE;
    let manager = ServiceManager::local_computer(None::<&str>, access).map_err(os).context(ADMINISTRATOR)?;
    let service = match manager.create_service(&info, ServiceAccess::ALL_ACCESS).map_err(os) {
        Ok(service) => service,
        Err(error) if error.raw_os_error() == Some(EXISTS) => {
            let service = manager.open_service(&id, ServiceAccess::ALL_ACCESS).map_err(os).context(ADMINISTRATOR)?;
            ensure!(
                is_ours(&service)?,
                "the service {id} was not registered by `yumen service install`; choose another --name"
            );
            service.change_config(&info).map_err(os).with_context(|| format!("the service {id} cannot be changed"))?;
            service
        }
        Err(error) => return Err(error).with_context(|| format!("the service {id} cannot be registered as {account}")),
    };
    outcome.done.push(format!("registered {id} as {account}; it starts with the system"));
    outcome.warnings = options(&service, plan);
    let mut also = |what: &str, done: io::Result<()>| {
        if let Err(error) = done {
            outcome.warnings.push(format!("{what}: {error}"));
        }
    };
    also("events will show without their text in Event Viewer", EventSource::register(&id));
    let home = folder(&plan.instance);
    also(&format!("{} may be open to other users", home.display()), close_folder(&home, &account));
    Ok(outcome)
}

const ADMINISTRATOR: &str = "the service manager refused; use a terminal that runs as administrator";

fn account(plan: &Plan) -> String {
    match plan.account.as_deref() {
        // An account of its own, without a password, that only this service has.
        None => format!(r"NT SERVICE\{}", plan.instance.id()),
        Some(name @ ("LocalService" | "NetworkService")) => format!(r"NT AUTHORITY\{name}"),
        Some(name) => name.to_owned(),
    }
}

fn info(plan: &Plan, account: &str) -> ServiceInfo {
    // The configuration comes last: it is found again by that.
    let words = ["service", "run", "--name", &plan.instance.to_string(), CONFIG.trim()].map(OsString::from);
    let words = words.into_iter().chain([plan.config.clone().into_os_string()]);
    ServiceInfo {
        name: plan.instance.id().into(),
        display_name: plan.instance.title().into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: plan.program.clone(),
        launch_arguments: words.collect(),
        dependencies: ["Tcpip", "Afd"].map(|name| ServiceDependency::Service(name.into())).to_vec(),
        account_name: Some(account.into()),
        account_password: None,
    }
}

/// Settings that a system may refuse; the result is what it refused, for people.
fn options(service: &Service, plan: &Plan) -> Vec<String> {
    let restart = |delay| ServiceAction { action_type: ServiceActionType::Restart, delay };
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FORGIVEN),
        reboot_msg: None,
        command: None,
        actions: Some(AGAIN.map(restart).to_vec()),
    };
    let text = "Network gateway: HTTP and TCP reverse proxy. Its files: docs/guide/service.md of Yumen.";
    let tried = [
        ("description", service.set_description(text)),
        ("delayed start", service.set_delayed_auto_start(true)),
        ("start again after a crash", service.update_failure_actions(actions)),
        // Without it a failure that was told in order counts as an end that was wanted.
        ("start again after a failure", service.set_failure_actions_on_non_crash_failures(true)),
        ("identity of its own", service.set_config_service_sid_info(ServiceSidType::Unrestricted)),
        ("time at shutdown", service.set_preshutdown_timeout(plan.needs.drain.saturating_add(MARGIN))),
    ];
    let refused = tried.into_iter().filter_map(|(what, done)| Some((what, os(done.err()?))));
    let privileges = limit_privileges(&plan.instance.id()).err().map(|error| ("no needless privileges", error));
    let refused = refused.chain(privileges);
    refused.map(|(what, error)| format!("this system refused a setting of the service, {what}: {error}")).collect()
}

/// Stops it and removes its registration. State and logs stay.
pub(crate) fn uninstall(instance: &Instance, scope: &Scope) -> anyhow::Result<Outcome> {
    let (id, service) = (instance.id(), open(instance, ServiceAccess::ALL_ACCESS)?);
    ensure!(is_ours(&service)?, "the service {id} was not registered by `yumen service install`; it stays");
    let mut outcome = Outcome::default();
    if scope.dry_run {
        outcome.done.push(format!("would stop and remove {id}"));
        return Ok(outcome);
    }
    end(&service, instance)?;
    service.delete().map_err(os).with_context(|| format!("the service {id} cannot be removed"))?;
    if let Err(error) = EventSource::unregister(&id) {
        outcome.warnings.push(format!("its source in the event log stays: {error}"));
    }
    outcome.done.push(format!("removed {id}; {} stays", folder(instance).display()));
    Ok(outcome)
}

/// Starts it and waits until it serves.
pub(crate) fn start(instance: &Instance) -> anyhow::Result<()> {
    let service = open(instance, ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
    match service.start(&[] as &[&str]).map_err(os) {
        Err(error) if error.raw_os_error() != Some(ALREADY_RUNNING) => {
            return Err(error).with_context(|| format!("{} cannot be started", instance.id()));
        }
        _ => {}
    }
    let status = wait(&service, |state| matches!(state, ServiceState::Running | ServiceState::Stopped))?;
    let code = exit(&status).unwrap_or(0);
    ensure!(
        status.current_state == ServiceState::Running,
        "{} ended at once with code {code}: {}",
        instance.id(),
        Cause::of_code(code).map_or("see the log", Cause::meaning)
    );
    Ok(())
}

/// Ends it and waits until its connections have finished.
pub(crate) fn stop(instance: &Instance) -> anyhow::Result<()> {
    let service = open(instance, ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
    end(&service, instance)
}

fn end(service: &Service, instance: &Instance) -> anyhow::Result<()> {
    let number = service.query_status().ok().and_then(|status| status.process_id);
    // One that cannot be watched is not waited for.
    let process = number.and_then(|number| OtherProcess::open(number).ok());
    match service.stop().map_err(os) {
        Err(error) if error.raw_os_error() == Some(NOT_ACTIVE) => return Ok(()),
        stopped => stopped.with_context(|| format!("{} cannot be stopped", instance.id()))?,
    };
    wait(service, |state| state == ServiceState::Stopped)?;
    // Its file is in use until the process itself has ended, a moment after the service.
    if process.is_some_and(|process| !process.wait(PATIENCE)) {
        bail!("{} has stopped, but its process does not end", instance.id());
    }
    Ok(())
}

/// Asks it to read its configuration again.
pub(crate) fn reload(instance: &Instance) -> anyhow::Result<()> {
    ask_reload(&instance.id()).with_context(|| format!("{} cannot be asked to reload", instance.id()))
}

/// Waits for a state; as long as its checkpoint moves it is alive and may take its time.
fn wait(service: &Service, wanted: impl Fn(ServiceState) -> bool) -> anyhow::Result<ServiceStatus> {
    let (mut step, mut since) = (0, yumen_net::rt::now());
    loop {
        let status = service.query_status().map_err(os).context("its state cannot be asked")?;
        if wanted(status.current_state) {
            return Ok(status);
        }
        if status.checkpoint != step {
            (step, since) = (status.checkpoint, yumen_net::rt::now());
        }
        ensure!(
            yumen_net::rt::now().saturating_duration_since(since) < PATIENCE,
            "it tells nothing new for {} s (state {:?})",
            PATIENCE.as_secs(),
            status.current_state
        );
        std::thread::park_timeout(PAUSE);
    }
}

/// What is known of it.
pub(crate) fn facts(instance: &Instance, _scope: &Scope) -> anyhow::Result<Facts> {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG;
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).map_err(os)?;
    let service = match manager.open_service(instance.id(), access).map_err(os) {
        Err(error) if error.raw_os_error() == Some(DOES_NOT_EXIST) => return Ok(Facts::only(State::Missing)),
        opened => opened.with_context(|| format!("{} cannot be looked at", instance.id()))?,
    };
    let status = service.query_status().map_err(os).context("its state cannot be asked")?;
    let config = service.query_config().map_err(os).context("its settings cannot be asked")?;
    let exit = exit(&status);
    let state = match status.current_state {
        ServiceState::Running => State::Running,
        ServiceState::StartPending => State::Starting,
        ServiceState::StopPending => State::Stopping,
        ServiceState::Stopped if exit.is_some() => State::Failed,
        ServiceState::Stopped => State::Stopped,
        _ => State::Unknown,
    };
    Ok(Facts {
        pid: status.process_id.filter(|pid| *pid != 0),
        starts: match config.start_type {
            ServiceStartType::AutoStart => "at boot".to_owned(),
            ServiceStartType::OnDemand => "by hand".to_owned(),
            _ => "never".to_owned(),
        },
        account: config.account_name.map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned()),
        config: config_of(&config.executable_path.to_string_lossy()),
        exit,
        log: log_file(instance).display().to_string(),
        story: super::super::story(&folder(instance)),
        ..Facts::only(state)
    })
}

/// The configuration file that the command line of a service names.
fn config_of(command: &str) -> Option<PathBuf> {
    let (_, path) = command.split_once(CONFIG)?;
    Some(path.trim().trim_matches('"').into())
}

/// How it ended, when it ended badly.
fn exit(status: &ServiceStatus) -> Option<u32> {
    match status.exit_code {
        ServiceExitCode::ServiceSpecific(code) | ServiceExitCode::Win32(code) => {
            Some(code).filter(|code| ![0, NEVER_STARTED].contains(code))
        }
    }
}

/// Shows its log on this terminal.
pub(crate) fn logs(instance: &Instance, lines: usize, follow: bool) -> anyhow::Result<()> {
    let path = log_file(instance);
    let open = || File::open(&path).with_context(|| format!("{} cannot be read", path.display()));
    let (mut file, mut text) = (open()?, Vec::new());
    file.read_to_end(&mut text)?;
    let starts = text.iter().enumerate().rev().filter(|(at, byte)| **byte == b'\n' && at + 1 < text.len());
    let start = starts.map(|(at, _)| at + 1).nth(lines.saturating_sub(1)).unwrap_or(0);
    let mut out = io::stdout();
    out.write_all(text.get(start..).unwrap_or_default())?;
    let mut at = text.len() as u64;
    if !follow {
        return Ok(());
    }
    loop {
        std::thread::park_timeout(PAUSE);
        // After it was put aside a new file has its name.
        if std::fs::metadata(&path).is_ok_and(|meta| meta.len() < at) {
            (file, at) = (open()?, 0);
        }
        file.seek(SeekFrom::Start(at))?;
        at += io::copy(&mut file, &mut out)?;
        out.flush()?;
    }
}

fn open(instance: &Instance, access: ServiceAccess) -> anyhow::Result<Service> {
    let id = instance.id();
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)
        .map_err(os)
        .context(ADMINISTRATOR)?;
    match manager.open_service(&id, access).map_err(os) {
        Err(error) if error.raw_os_error() == Some(DOES_NOT_EXIST) => bail!("no service {id} is installed"),
        opened => opened
            .with_context(|| format!("the service {id} cannot be opened; use a terminal that runs as administrator")),
    }
}

fn is_ours(service: &Service) -> anyhow::Result<bool> {
    let config = service.query_config().map_err(os).context("its settings cannot be asked")?;
    Ok(config.executable_path.to_string_lossy().contains(OURS))
}

/// The error of the system behind one of the library, which hides it.
fn os(error: windows_service::Error) -> io::Error {
    match error {
        windows_service::Error::Winapi(error) => error,
        other => io::Error::other(other.to_string()),
    }
}
