//! Files and folders of Windows that ordinary users cannot open: who may is said when they are made, because what lies
//! below `C:\ProgramData` is readable by everybody otherwise.
#![expect(unsafe_code, reason = "rights of files have no safe wrapper")]

use std::ffi::{OsStr, OsString, c_void};
use std::fs::File;
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::{GENERIC_ALL, GENERIC_READ, GENERIC_WRITE, INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW,
    SDDL_REVISION_1, SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, DACL_SECURITY_INFORMATION, GetAce, GetTokenInformation, INHERIT_ONLY_ACE,
    OWNER_SECURITY_INFORMATION, PSID, SECURITY_ATTRIBUTES, SetFileSecurityW, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_APPEND_DATA, FILE_ATTRIBUTE_NORMAL, FILE_READ_DATA,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_WRITE_DATA, WRITE_DAC, WRITE_OWNER,
};
use windows_sys::Win32::System::SystemServices::ACCESS_ALLOWED_ACE_TYPE;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Makes a file that this account, the system and administrators can open, and nobody else.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    let (rights, path) = (Rights::parse(&own(&me()?, ""))?, verbatim(path)?);
    let attributes = rights.attributes();
    // SAFETY: the path ends with a zero; the attributes and what they point to live until after the call, which copies
    // them.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            GENERIC_WRITE,
            FILE_SHARE_READ | FILE_SHARE_DELETE,
            &raw const attributes,
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is open and nobody else owns it.
    Ok(File::from(unsafe { OwnedHandle::from_raw_handle(handle) }))
}

/// As [`create_new`], for a folder; what is made in it without a word of its own is as private.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    let (rights, path) = (Rights::parse(&own(&me()?, "OICI"))?, verbatim(path)?);
    let attributes = rights.attributes();
    // SAFETY: as above.
    let done = unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Full access for one account, the system and administrators; nothing is inherited from the folder above.
fn own(account: &str, spread: &str) -> String {
    format!("D:P(A;{spread};FA;;;SY)(A;{spread};FA;;;BA)(A;{spread};FA;;;{account})")
}

pub(super) fn exposure(path: &Path) -> io::Result<Option<String>> {
    let all = FILE_READ_DATA | FILE_WRITE_DATA | FILE_APPEND_DATA;
    let Some(who) = reached_by(path, all | GENERIC_READ | GENERIC_WRITE | GENERIC_ALL | WRITE_DAC | WRITE_OWNER)?
    else {
        return Ok(None);
    };
    Ok(Some(format!("{} can be opened by {who}; run `{}`", path.display(), remedy(path)?)))
}

pub(super) fn intrusion(path: &Path) -> io::Result<Option<String>> {
    let writes = FILE_WRITE_DATA | FILE_APPEND_DATA | GENERIC_WRITE | GENERIC_ALL | WRITE_DAC | WRITE_OWNER;
    let Some(who) = reached_by(path, writes)? else { return Ok(None) };
    Ok(Some(format!("{who} can put files into {}; run `{}`", path.display(), remedy(path)?)))
}

/// The command that leaves this account, the system and administrators.
fn remedy(path: &Path) -> io::Result<String> {
    let spread = if path.is_dir() { "(OI)(CI)" } else { "" };
    let names = ["S-1-5-18", "S-1-5-32-544", &me()?].map(|sid| format!("*{sid}:{spread}F")).join(" ");
    Ok(format!("icacls \"{}\" /inheritance:r /grant:r {names}", path.display()))
}

/// Groups that ordinary users are in, with the names they have in English.
const CROWDS: [(&str, &str); 9] = [
    ("S-1-1-0", "everyone"),
    ("S-1-5-11", "all who are logged on (Authenticated Users)"),
    ("S-1-5-32-545", "all users of this machine (Users)"),
    ("S-1-5-32-546", "guests"),
    ("S-1-5-7", "anybody without a name (Anonymous)"),
    ("S-1-5-4", "all who sit at this machine (Interactive)"),
    ("S-1-5-2", "all who come over the network (Network)"),
    ("S-1-2-0", "all who sit at this machine (Local)"),
    ("S-1-15-2-1", "all packaged programs"),
];

fn crowd(sid: &str) -> Option<&'static str> {
    let is_of_domain = sid.starts_with("S-1-5-21-") && ["-513", "-514"].iter().any(|end| sid.ends_with(end));
    let known = CROWDS.iter().find(|(known, _)| *known == sid).map(|(_, name)| *name);
    known.or(is_of_domain.then_some("all users of the domain"))
}

/// The first group of ordinary users that has one of these rights. What is denied is not weighed against it: who relies
/// on that is better told.
fn reached_by(path: &Path, rights: u32) -> io::Result<Option<&'static str>> {
    let name = verbatim(path)?;
    let (mut list, mut descriptor): (*mut ACL, *mut c_void) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the name ends with a zero, and results go into live locals; what is not asked for may be null.
    let code = unsafe {
        GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut list,
            ptr::null_mut(),
            &raw mut descriptor,
        )
    };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    let descriptor = Rights(descriptor);
    // No list at all is access for all.
    if list.is_null() {
        return Ok(Some("everyone"));
    }
    // SAFETY: the list is part of the descriptor, which lives until the end.
    let count = unsafe { (*list).AceCount };
    let mut found = None;
    for index in 0..u32::from(count) {
        let mut entry = ptr::null_mut();
        // SAFETY: the index is below the count; the entry is part of the list.
        if unsafe { GetAce(list, index, &raw mut entry) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
        // SAFETY: every entry begins with a header that says what it is; one that allows has a mask and an identifier
        // behind it.
        let sid = unsafe {
            let header = (*entry).Header;
            let allows = u32::from(header.AceType) == ACCESS_ALLOWED_ACE_TYPE
                && u32::from(header.AceFlags) & INHERIT_ONLY_ACE == 0
                && (*entry).Mask & rights != 0;
            if !allows {
                continue;
            }
            text_of((&raw mut (*entry).SidStart).cast())?
        };
        found = found.or(crowd(&sid));
    }
    drop(descriptor);
    Ok(found)
}

/// The identifier of the account of this process, as text.
fn me() -> io::Result<String> {
    let mut token = ptr::null_mut();
    // SAFETY: the pseudo handle of this process is always valid, and the result goes into a live local.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is open and nobody else owns it.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // An identifier has 68 bytes at most.
    let (mut user, mut size) = ([0_u64; 32], 0);
    // SAFETY: the buffer is a live local whose size is told, aligned for the structure; its pointer leads into the buffer.
    unsafe {
        let told = size_of_val(&user) as u32;
        if GetTokenInformation(token.as_raw_handle(), TokenUser, user.as_mut_ptr().cast(), told, &raw mut size) == 0 {
            return Err(io::Error::last_os_error());
        }
        text_of((*user.as_ptr().cast::<TOKEN_USER>()).User.Sid)
    }
}

/// # Safety
/// `sid` points to a security identifier that lives during the call.
pub(super) unsafe fn text_of(sid: PSID) -> io::Result<String> {
    let mut text = ptr::null_mut();
    // SAFETY: the caller promises the identifier; the text ends with a zero and is freed once.
    unsafe {
        if ConvertSidToStringSidW(sid, &raw mut text) == 0 {
            return Err(io::Error::last_os_error());
        }
        let sid = OsString::from_wide(until_zero(text)).to_string_lossy().into_owned();
        LocalFree(text.cast());
        Ok(sid)
    }
}

/// # Safety
/// `text` points to characters that end with a zero and live as long as the result is used.
pub(super) unsafe fn until_zero<'a>(text: *const u16) -> &'a [u16] {
    let mut length = 0;
    // SAFETY: the caller promises a zero at the end.
    unsafe {
        while *text.add(length) != 0 {
            length += 1;
        }
        std::slice::from_raw_parts(text, length)
    }
}

pub(super) fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// A path for calls of the system that takes any length: those that are not written like this end at 260 characters.
pub(super) fn verbatim(path: &Path) -> io::Result<Vec<u16>> {
    let whole = std::path::absolute(path)?;
    let is_plain = whole.as_os_str().encode_wide().nth(1) == Some(u16::from(b':'));
    let mut text = OsString::from(if is_plain { r"\\?\" } else { "" });
    text.push(whole);
    Ok(wide(text))
}

/// A security descriptor, freed when dropped.
pub(super) struct Rights(*mut c_void);

impl Rights {
    /// From its text (SDDL).
    pub(super) fn parse(text: &str) -> io::Result<Self> {
        let (text, mut descriptor) = (wide(text), ptr::null_mut());
        // SAFETY: the text ends with a zero and the result is written into a live local.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(descriptor)) }
    }

    /// For calls that make something. What is returned points into this.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0,
            bInheritHandle: 0,
        }
    }

    /// Gives them to something that is there. They name an owner, who may change them; where he cannot be set, the
    /// rights alone are.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        let path = verbatim(path)?;
        // SAFETY: the path ends with a zero and the descriptor is valid.
        let set = |parts| unsafe { SetFileSecurityW(path.as_ptr(), parts, self.0) } != 0;
        let done = set(DACL_SECURITY_INFORMATION | OWNER_SECURITY_INFORMATION) || set(DACL_SECURITY_INFORMATION);
        if done { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        // SAFETY: it was allocated by the system for us and is not used again.
        unsafe { LocalFree(self.0) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn groups_of_ordinary_users_are_told_from_single_accounts() {
        for sid in ["S-1-1-0", "S-1-5-32-545", "S-1-5-11", "S-1-5-21-1-2-3-513"] {
            assert!(crowd(sid).is_some(), "{sid}");
        }
        for sid in ["S-1-5-18", "S-1-5-32-544", "S-1-5-80-1-2-3-4-5", "S-1-5-21-1-2-3-1001", "S-1-3-4", "S-1-5-19"] {
            assert_eq!(crowd(sid), None, "{sid}");
        }
    }

    #[test]
    fn path_of_any_length_can_be_told_to_the_system() {
        let text = |path: &str| {
            let wide = verbatim(Path::new(path)).unwrap();
            String::from_utf16(&wide).unwrap().trim_end_matches('\0').to_owned()
        };
        assert_eq!(text("C:/a/../b"), r"\\?\C:\b");
        assert_eq!(text(r"\\?\C:\b"), r"\\?\C:\b");
        assert_eq!(text(r"\\.\pipe\b"), r"\\.\pipe\b");
    }

    #[test]
    fn file_that_everybody_may_read_is_told_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        create_new(&path).unwrap();
        assert_eq!(exposure(&path).unwrap(), None);
        Rights::parse("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;WD)").unwrap().give(&path).unwrap();
        let told = exposure(&path).unwrap().unwrap();
        assert!(told.contains("everyone") && told.contains("icacls") && told.contains("*S-1-5-18:F"), "{told}");
        assert!(told.contains(&format!("*{}:F", me().unwrap())), "{told}");
    }
}
