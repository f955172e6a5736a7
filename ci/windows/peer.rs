//! Stands in, inside Wine, for a program of the Linux machine around it: curl, openssl, nginx.
//!
//! Tests start such programs as peers. Wine can start a Linux program, but gives it neither pipes nor an exit code, so
//! this program is copied under the peer's name and asks `cargo xtask windows` (xtask/src/windows/peer.rs) to run the real
//! one: arguments and input go there, output and exit code come back. On a real Windows system it has no part.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::exit;

fn main() {
    match talk() {
        Ok(code) => exit(code),
        Err(error) => {
            eprintln!("the stand-in cannot run the program: {error}");
            exit(125);
        }
    }
}

fn talk() -> std::io::Result<i32> {
    let name = std::env::current_exe()?.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let variable = |name: &str| std::env::var(name).map_err(|_| std::io::Error::other(format!("{name} is not set")));
    let port: u16 = variable("WIN_PEER_PORT")?.parse().map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let id = std::process::id().to_string();
    let folder = std::env::current_dir()?.to_string_lossy().into_owned();
    let mut order = Vec::new();
    order.extend(u32::try_from(arguments.len() + 4).unwrap_or(u32::MAX).to_le_bytes());
    for word in [variable("WIN_PEER_TOKEN")?, folder, id, name.clone()].into_iter().chain(arguments.clone()) {
        order.extend(u32::try_from(word.len()).unwrap_or(u32::MAX).to_le_bytes());
        order.extend(word.as_bytes());
    }
    stream.write_all(&order)?;
    let to = stream.try_clone()?;
    std::thread::spawn(move || drop(send_input(to)));
    match receive(&mut stream)? {
        // The process is none that a stand-in stands for, so it is one of Wine.
        UNKNOWN if name == "kill" => Ok(signal::send(&arguments).map_or_else(
            |text| {
                eprintln!("kill: {text}");
                1
            },
            |()| 0,
        )),
        code => Ok(code),
    }
}

/// What comes back for a process that nobody there knows.
const UNKNOWN: i32 = 3;

/// Frames of a length and bytes; an empty one is the end of the input.
fn send_input(mut to: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = std::io::stdin().read(&mut buffer).unwrap_or(0);
        let mut frame = u32::try_from(length).unwrap_or(0).to_le_bytes().to_vec();
        frame.extend(&buffer[..length]);
        to.write_all(&frame)?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// Frames of a kind, a length and bytes: 1 is output, 2 is error output, 3 is the exit code.
fn receive(stream: &mut TcpStream) -> std::io::Result<i32> {
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes)?;
        // Nobody may read any more; the program is to go on all the same.
        match head[0] {
            1 => drop(std::io::stdout().write_all(&bytes).and_then(|()| std::io::stdout().flush())),
            2 => drop(std::io::stderr().write_all(&bytes)),
            _ => return Ok(bytes.try_into().map_or(125, i32::from_le_bytes)),
        }
    }
}

/// `kill -NAME PID` for a process of Wine.
mod signal {
    use std::ffi::{c_char, c_void};
    use std::ptr::{null, null_mut};

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn OpenProcess(access: u32, inherit: i32, id: u32) -> *mut c_void;
        fn TerminateProcess(process: *mut c_void, code: u32) -> i32;
        fn CloseHandle(handle: *mut c_void) -> i32;
        fn GetModuleHandleA(name: *const c_char) -> *mut c_void;
        fn GetProcAddress(module: *mut c_void, name: *const c_char) -> *mut c_void;
        fn CreateRemoteThread(
            process: *mut c_void,
            attributes: *const c_void,
            stack: usize,
            start: *mut c_void,
            argument: *mut c_void,
            flags: u32,
            id: *mut u32,
        ) -> *mut c_void;
    }

    /// To terminate it, and to start a thread in it.
    const RIGHTS: u32 = 0x0001 | 0x043a;

    pub fn send(arguments: &[String]) -> Result<(), String> {
        let [name, id] = arguments else { return Err("two words are expected".to_owned()) };
        let number: u32 = id.parse().map_err(|_| format!("{id} is not a process"))?;
        // SAFETY: no pointer goes in; the handle is closed below.
        let process = unsafe { OpenProcess(RIGHTS, 0, number) };
        if process.is_null() {
            return Err(format!("there is no process {id}"));
        }
        let done = match name.trim_start_matches('-') {
            "TERM" | "INT" => interrupt(process),
            // SAFETY: the handle is open and has the right.
            "KILL" | "9" => unsafe { TerminateProcess(process, 9) != 0 },
            other => return Err(format!("Windows has nothing like SIG{other}")),
        };
        // SAFETY: the handle is open and not used again.
        unsafe { CloseHandle(process) };
        done.then_some(()).ok_or_else(|| format!("process {id} could not be told"))
    }

    /// Ctrl-C, as a console says it: by a thread in the process.
    fn interrupt(process: *mut c_void) -> bool {
        // SAFETY: the names end with a zero, the library is in every process and at the same place in each, the routine
        // takes the number of the event (0 is Ctrl-C), and the handle is closed once.
        unsafe {
            let routine = GetProcAddress(GetModuleHandleA(c"kernelbase.dll".as_ptr()), c"CtrlRoutine".as_ptr());
            if routine.is_null() {
                return false;
            }
            let thread = CreateRemoteThread(process, null(), 0, routine, null_mut(), 0, null_mut());
            !thread.is_null() && CloseHandle(thread) != 0
        }
    }
}
