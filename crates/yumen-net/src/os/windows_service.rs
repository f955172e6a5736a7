//! Being a service of Windows: the dispatcher, the controls that arrive and the states that are told.
#![expect(unsafe_code, reason = "the service control manager calls back through raw pointers")]

use std::ffi::c_void;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_SERVICE_CONTROL, ERROR_SERVICE_CANNOT_ACCEPT_CTRL,
    ERROR_SERVICE_SPECIFIC_ERROR, NO_ERROR,
};
use windows_sys::Win32::System::Services::*;
use windows_sys::core::PWSTR;

/// The user-defined control that asks for a reload, beside PARAMCHANGE: for tools that cannot send that one.
pub const RELOAD_CONTROL: u32 = 200;

/// What the manager asks a service for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// End. The word says why.
    Stop(&'static str),
    /// Read the configuration again. The word says how it was asked for.
    Reload(&'static str),
}

/// Is told of controls, on a thread of the system; must not wait.
pub type OnControl = Box<dyn Fn(Control) + Send + Sync>;
/// The life of a service. It ends with [`Reporter::stopped`].
pub type Life = Box<dyn FnOnce(Reporter) + Send>;

/// The system hands no context to the function it calls, so what it needs lies here for a moment.
static WAITING: Mutex<Option<(Vec<u16>, OnControl, Life)>> = Mutex::new(None);

/// Is the service of that name until it has stopped.
///
/// # Errors
/// Error 1063 when the process was not started by the manager.
pub fn dispatch(name: &str, on_control: OnControl, life: Life) -> io::Result<()> {
    let mut name = wide(name);
    *WAITING.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.clone(), on_control, life));
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: name.as_mut_ptr(), lpServiceProc: Some(service_main) },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry, and it and the name outlive the call, which returns when all is over.
    let done = unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

unsafe extern "system" fn service_main(_count: u32, _words: *mut PWSTR) {
    let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((name, on_control, life)) = waiting else { return };
    // Never freed: the system may call the handler as long as the process lives, also while it stops.
    let context: &'static OnControl = Box::leak(Box::new(on_control));
    // SAFETY: the name ends with a zero, and the context lives as long as the process.
    let handle =
        unsafe { RegisterServiceCtrlHandlerExW(name.as_ptr(), Some(handle_control), ptr::from_ref(context).cast()) };
    if handle.is_null() {
        return;
    }
    let reporter = Reporter { handle: Handle(handle), checkpoint: AtomicU32::new(0) };
    reporter.starting(Duration::from_secs(10));
    // A panic must not cross into the system.
    if catch_unwind(AssertUnwindSafe(|| life(reporter))).is_err() {
        Reporter { handle: Handle(handle), checkpoint: AtomicU32::new(0) }.stopped(1);
    }
}

unsafe extern "system" fn handle_control(control: u32, _kind: u32, _data: *mut c_void, context: *mut c_void) -> u32 {
    // SAFETY: it is the context that was registered, which is never freed.
    let on_control = unsafe { &*context.cast::<OnControl>() };
    let control = match control {
        SERVICE_CONTROL_INTERROGATE => return NO_ERROR,
        SERVICE_CONTROL_STOP => Control::Stop("the service manager"),
        SERVICE_CONTROL_SHUTDOWN => Control::Stop("the shutdown of the system"),
        SERVICE_CONTROL_PRESHUTDOWN => Control::Stop("the coming shutdown of the system"),
        SERVICE_CONTROL_PARAMCHANGE => Control::Reload("PARAMCHANGE"),
        RELOAD_CONTROL => Control::Reload("control 200"),
        _ => return ERROR_CALL_NOT_IMPLEMENTED,
    };
    on_control(control);
    NO_ERROR
}

#[derive(Clone, Copy)]
struct Handle(SERVICE_STATUS_HANDLE);

// SAFETY: the handle is a token that any thread may pass to SetServiceStatus.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

/// Tells the manager how the service is.
pub struct Reporter {
    handle: Handle,
    checkpoint: AtomicU32,
}

impl Reporter {
    /// It is on its way to run; the next word comes within `hint`.
    pub fn starting(&self, hint: Duration) {
        self.pending(SERVICE_START_PENDING, hint);
    }

    /// It runs.
    pub fn running(&self) {
        self.checkpoint.store(0, Ordering::Relaxed);
        let accepted =
            SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PRESHUTDOWN | SERVICE_ACCEPT_PARAMCHANGE;
        self.set(SERVICE_STATUS {
            dwCurrentState: SERVICE_RUNNING,
            dwControlsAccepted: accepted,
            ..SERVICE_STATUS::default()
        });
    }

    /// It is on its way to end; the next word comes within `hint`.
    pub fn stopping(&self, hint: Duration) {
        self.pending(SERVICE_STOP_PENDING, hint);
    }

    /// It has ended, with 0 because it was asked to. The process may be ended by the system at any moment from now.
    pub fn stopped(&self, code: u32) {
        let mut status = SERVICE_STATUS { dwCurrentState: SERVICE_STOPPED, ..SERVICE_STATUS::default() };
        if code != 0 {
            status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
            status.dwServiceSpecificExitCode = code;
        }
        self.set(status);
    }

    fn pending(&self, state: u32, hint: Duration) {
        let hint = u32::try_from(hint.as_millis()).unwrap_or(u32::MAX);
        let step = self.checkpoint.fetch_add(1, Ordering::Relaxed) + 1;
        // One that starts can be stopped only once it runs.
        self.set(SERVICE_STATUS {
            dwCurrentState: state,
            dwCheckPoint: step,
            dwWaitHint: hint,
            ..SERVICE_STATUS::default()
        });
    }

    fn set(&self, status: SERVICE_STATUS) {
        let status = SERVICE_STATUS { dwServiceType: SERVICE_WIN32_OWN_PROCESS, ..status };
        // SAFETY: the handle came from the registration and stays valid; the status is a live local.
        if unsafe { SetServiceStatus(self.handle.0, &raw const status) } == 0 {
            tracing::warn!(error = %io::Error::last_os_error(), "the service manager could not be told the state");
        }
    }
}

/// Asks a service to read its configuration again: by PARAMCHANGE, and where a system does not take that, by
/// [`RELOAD_CONTROL`].
///
/// # Errors
/// What the system says: 1060 there is no such service, 1062 it does not run, 5 no right.
pub fn ask_reload(name: &str) -> io::Result<()> {
    let is_not_taken = |error: &io::Error| {
        let code = error.raw_os_error().and_then(|code| u32::try_from(code).ok());
        matches!(code, Some(ERROR_INVALID_SERVICE_CONTROL | ERROR_SERVICE_CANNOT_ACCEPT_CTRL))
    };
    match send_control(name, SERVICE_CONTROL_PARAMCHANGE) {
        Err(error) if is_not_taken(&error) => send_control(name, RELOAD_CONTROL),
        sent => sent,
    }
}

/// Sends a control to a service, which no safe wrapper can for those of a number only.
///
/// # Errors
/// As [`ask_reload`]; 1052 and 1061 when the service does not take this one.
pub fn send_control(name: &str, control: u32) -> io::Result<()> {
    let mut status = SERVICE_STATUS::default();
    // Numbers from 128 on are those that a service gives a meaning itself.
    let right = if control < 128 { SERVICE_PAUSE_CONTINUE } else { SERVICE_USER_DEFINED_CONTROL };
    // SAFETY: the handle is open, and the status is a live local.
    with_service(name, right, |service| unsafe { ControlService(service, control, &raw mut status) })
}

/// Leaves a service, from its next start on, only the privilege that every process has: to walk through folders. The others
/// of service accounts, to act as whoever connects among them, are of no use to it.
///
/// # Errors
/// What the system says: 5 no right.
pub fn limit_privileges(name: &str) -> io::Result<()> {
    // A list that ends with an empty text.
    let mut names = wide("SeChangeNotifyPrivilege\0");
    let info = SERVICE_REQUIRED_PRIVILEGES_INFOW { pmszRequiredPrivileges: names.as_mut_ptr() };
    // SAFETY: the handle is open, and the structure of that level and the list it points to are live locals.
    with_service(name, SERVICE_CHANGE_CONFIG, |service| unsafe {
        ChangeServiceConfig2W(service, SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, (&raw const info).cast())
    })
}

/// Does something with a service that says 0 when it failed.
fn with_service(name: &str, right: u32, act: impl FnOnce(SC_HANDLE) -> i32) -> io::Result<()> {
    let name = wide(name);
    // SAFETY: names end with a zero, each handle is closed once and used only before that.
    unsafe {
        let manager = OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT);
        if manager.is_null() {
            return Err(io::Error::last_os_error());
        }
        let service = OpenServiceW(manager, name.as_ptr(), right);
        let mut outcome = Err(io::Error::last_os_error());
        if !service.is_null() {
            outcome = if act(service) == 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
            CloseServiceHandle(service);
        }
        CloseServiceHandle(manager);
        outcome
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
