//! What an installed service needs of Windows beside its registration: a folder of its own and a voice in the event log.
#![expect(unsafe_code, reason = "event log, registry, known folders and rights of folders have no safe wrapper")]

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::Foundation::{CloseHandle, ERROR_FILE_NOT_FOUND, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::Security::LookupAccountNameW;
use windows_sys::Win32::System::Com::CoTaskMemFree;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE, RegisterEventSourceW,
    ReportEventW,
};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_LOCAL_MACHINE, KEY_WRITE, REG_DWORD, REG_EXPAND_SZ, RegCloseKey, RegCreateKeyExW, RegDeleteKeyW,
    RegSetValueExW,
};
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject};
use windows_sys::Win32::UI::Shell::{FOLDERID_ProgramData, KF_FLAG_DONT_VERIFY, SHGetKnownFolderPath};

use super::windows_private::{Rights, text_of, until_zero, wide};

/// Where programs keep data of the whole machine. The environment is not asked: in a service it may say something else.
///
/// # Errors
/// The system does not know.
pub fn program_data() -> io::Result<PathBuf> {
    let mut text: *mut u16 = ptr::null_mut();
    // SAFETY: the result is written into a live local, and is freed below whatever the outcome, as the function demands.
    unsafe {
        let outcome =
            SHGetKnownFolderPath(&FOLDERID_ProgramData, KF_FLAG_DONT_VERIFY as u32, ptr::null_mut(), &raw mut text);
        let path = if outcome == 0 && !text.is_null() {
            Ok(PathBuf::from(OsString::from_wide(until_zero(text))))
        } else {
            Err(io::Error::other(format!("the folder for program data is unknown (HRESULT {outcome:#x})")))
        };
        CoTaskMemFree(text.cast());
        path
    }
}

/// Makes a folder, if it is not there, that the system, administrators and one account can use, and nobody else; what is
/// in it already follows, since somebody may have laid it out before. Their owners become the administrators, because an
/// owner may change who may.
///
/// # Errors
/// It cannot be made, the account is not known, or its rights or those of something in it cannot be set.
pub fn close_folder(path: &Path, account: &str) -> io::Result<()> {
    // The account may change what is in it, not who may. When it is not known nothing is made: the service makes a folder
    // of its own then.
    let rights = format!("O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;{})", sid(account)?);
    super::private_folder(path)?;
    close(path, &Rights::parse(&rights)?)
}

fn close(path: &Path, rights: &Rights) -> io::Result<()> {
    rights.give(path)?;
    if !path.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        // A link may lead anywhere.
        if !entry.file_type()?.is_symlink() {
            close(&entry.path(), rights)?;
        }
    }
    Ok(())
}

/// The security identifier of an account, as text.
fn sid(account: &str) -> io::Result<String> {
    let name = wide(account);
    let (mut sid, mut domain) = ([0_u64; 32], [0_u16; 512]);
    let (mut sid_size, mut domain_size) = (size_of_val(&sid) as u32, domain.len() as u32);
    let mut kind = 0;
    // SAFETY: the buffers are live locals whose sizes are told, aligned for what is written.
    unsafe {
        let found = LookupAccountNameW(
            ptr::null(),
            name.as_ptr(),
            sid.as_mut_ptr().cast(),
            &raw mut sid_size,
            domain.as_mut_ptr(),
            &raw mut domain_size,
            &raw mut kind,
        );
        if found == 0 {
            return Err(io::Error::last_os_error());
        }
        text_of(sid.as_mut_ptr().cast())
    }
}

/// A process of this machine, to be waited for. Its number cannot be given to another one while this lives.
pub struct OtherProcess(HANDLE);

impl OtherProcess {
    /// The process with that number.
    ///
    /// # Errors
    /// There is none, or it may not be watched.
    pub fn open(number: u32) -> io::Result<Self> {
        // SAFETY: it takes any number.
        let handle = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, number) };
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }

    /// Waits for its end, and says whether it has come. Blocks.
    pub fn wait(&self, longest: Duration) -> bool {
        let longest = u32::try_from(longest.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: the handle is open.
        unsafe { WaitForSingleObject(self.0, longest) == WAIT_OBJECT_0 }
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used again.
        unsafe { CloseHandle(self.0) };
    }
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It went as it should.
    Information,
    /// It should be looked at.
    Warning,
    /// It failed.
    Error,
}

/// A program with a voice in the event log.
pub struct EventSource(HANDLE);

// SAFETY: the handle is a token that any thread may pass to ReportEvent.
unsafe impl Send for EventSource {}
// SAFETY: as above.
unsafe impl Sync for EventSource {}

/// A message table that every Windows has: its numbers 1 to 1000 are all "%1".
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";

impl EventSource {
    /// Makes the source known, so that events of it are readable. Once, by an administrator.
    ///
    /// # Errors
    /// The registry cannot be written.
    pub fn register(name: &str) -> io::Result<()> {
        let (path, file) = (key(name), wide(MESSAGES));
        let types = EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
        let types = u32::from(types).to_le_bytes();
        let mut key: HKEY = ptr::null_mut();
        // SAFETY: texts end with a zero, sizes are those of the buffers, and the key is closed once.
        unsafe {
            checked(RegCreateKeyExW(
                HKEY_LOCAL_MACHINE,
                path.as_ptr(),
                0,
                ptr::null(),
                0,
                KEY_WRITE,
                ptr::null(),
                &raw mut key,
                ptr::null_mut(),
            ))?;
            let (name, size) = (wide("EventMessageFile"), (file.len() * 2) as u32);
            let first = RegSetValueExW(key, name.as_ptr(), 0, REG_EXPAND_SZ, file.as_ptr().cast(), size);
            let (name, size) = (wide("TypesSupported"), types.len() as u32);
            let second = RegSetValueExW(key, name.as_ptr(), 0, REG_DWORD, types.as_ptr(), size);
            RegCloseKey(key);
            checked(first)?;
            checked(second)
        }
    }

    /// Forgets the source. One that is not there is forgotten already.
    ///
    /// # Errors
    /// The registry cannot be written.
    pub fn unregister(name: &str) -> io::Result<()> {
        let path = key(name);
        // SAFETY: the text ends with a zero.
        match unsafe { RegDeleteKeyW(HKEY_LOCAL_MACHINE, path.as_ptr()) } {
            ERROR_FILE_NOT_FOUND => Ok(()),
            code => checked(code),
        }
    }

    /// Opens the log to speak.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(name: &str) -> io::Result<Self> {
        let name = wide(name);
        // SAFETY: the text ends with a zero.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), name.as_ptr()) };
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }

    /// Says something; `number` is from 1 to 1000 and tells what kind of event it is.
    ///
    /// # Errors
    /// The log does not take it.
    pub fn report(&self, weight: Weight, number: u32, text: &str) -> io::Result<()> {
        let kind = match weight {
            Weight::Information => EVENTLOG_INFORMATION_TYPE,
            Weight::Warning => EVENTLOG_WARNING_TYPE,
            Weight::Error => EVENTLOG_ERROR_TYPE,
        };
        // A text of the event log has 31,839 characters at most.
        let text: Vec<u16> = text.encode_utf16().filter(|c| *c != 0).take(31_000).chain([0]).collect();
        let texts = [text.as_ptr()];
        // SAFETY: the handle is open, and one text that ends with a zero is told and passed.
        let done = unsafe { ReportEventW(self.0, kind, 0, number, ptr::null_mut(), 1, 0, texts.as_ptr(), ptr::null()) };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used again.
        unsafe { DeregisterEventSource(self.0) };
    }
}

fn key(name: &str) -> Vec<u16> {
    wide(format!(r"SYSTEM\CurrentControlSet\Services\EventLog\Application\{name}"))
}

fn checked(code: u32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.cast_signed())) }
}
