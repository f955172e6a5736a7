//! Gives `yumen.exe` its resources: what Explorer shows under *Details*, and the manifest that asks Windows for UTF-8 and
//! long paths. The object file is written here byte by byte, so that no resource compiler is needed, for either
//! toolchain, on any machine. Other systems get nothing.

use std::path::PathBuf;
use std::{env, fs, io};

/// `RT_VERSION` and `RT_MANIFEST`.
const VERSION: u32 = 16;
const MANIFEST: u32 = 24;
/// US English, and text in UTF-16.
const LANGUAGE: u16 = 0x0409;
const UTF16: u16 = 0x04b0;

const WISHES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3"><security><requestedPrivileges>
    <requestedExecutionLevel level="asInvoker" uiAccess="false"/>
  </requestedPrivileges></security></trustInfo>
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1"><application>
    <supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/>
  </application></compatibility>
  <application xmlns="urn:schemas-microsoft-com:asm.v3"><windowsSettings>
    <activeCodePage xmlns="http://schemas.microsoft.com/SMI/2019/WindowsSettings">UTF-8</activeCodePage>
    <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
  </windowsSettings></application>
</assembly>
"#;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let of_target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if of_target("OS") != "windows" {
        return Ok(());
    }
    // Machine, and its relocation by which a linker fills in where data will be.
    let (machine, relocation) = match of_target("ARCH").as_str() {
        "x86_64" => (0x8664, 3),
        "aarch64" => (0xaa64, 2),
        "x86" => (0x014c, 7),
        // It runs without them.
        _ => return Ok(()),
    };
    let (section, places) = section(&[(VERSION, version()), (MANIFEST, WISHES.as_bytes().to_vec())]);
    let file = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("resources.o");
    fs::write(&file, object(machine, relocation, &section, &places))?;
    println!("cargo::rustc-link-arg-bins={}", file.display());
    Ok(())
}

/// A COFF object with one section; at each of the places a linker adds where the section will be.
fn object(machine: u16, relocation: u16, section: &[u8], places: &[u32]) -> Vec<u8> {
    const HEADERS: u32 = 20 + 40;
    let relocations = HEADERS + size(section);
    let symbols = relocations + 10 * places.len() as u32;
    let mut out = Vec::new();
    put16(&mut out, &[machine, 1]);
    put32(&mut out, &[0, symbols, 1]);
    put16(&mut out, &[0, 0]);
    out.extend(b".rsrc\0\0\0");
    put32(&mut out, &[0, 0, size(section), HEADERS, relocations, 0]);
    put16(&mut out, &[places.len() as u16, 0]);
    // Data that is read, on a multiple of 4.
    put32(&mut out, &[0x4030_0040]);
    out.extend(section);
    for place in places {
        put32(&mut out, &[*place, 0]);
        put16(&mut out, &[relocation]);
    }
    out.extend(b".rsrc\0\0\0");
    put32(&mut out, &[0]);
    // Of section 1, no type, static.
    put16(&mut out, &[1, 0]);
    out.extend([3, 0]);
    put32(&mut out, &[4]);
    out
}

/// The section of some resources, by type in ascending order: a directory of types, for each one of names and one of
/// languages, the descriptions of the data, the data. With it the places that hold where data is.
fn section(resources: &[(u32, Vec<u8>)]) -> (Vec<u8>, Vec<u32>) {
    const DIRECTORY: u32 = 16;
    const ENTRY: u32 = 8;
    const BELOW: u32 = 1 << 31;
    let count = resources.len() as u32;
    let names = DIRECTORY + count * ENTRY;
    let languages = names + count * (DIRECTORY + ENTRY);
    let descriptions = languages + count * (DIRECTORY + ENTRY);
    let data = descriptions + count * 16;
    let mut out = Vec::new();
    let directory = |out: &mut Vec<u8>, entries: &[(u32, u32)]| {
        put32(out, &[0, 0, 0]);
        put16(out, &[0, entries.len() as u16]);
        entries.iter().for_each(|(id, at)| put32(out, &[*id, *at]));
    };
    let nth = |base: u32, n: usize, each: u32| base + n as u32 * each;
    let each = DIRECTORY + ENTRY;
    let types: Vec<_> = resources.iter().enumerate().map(|(n, (id, _))| (*id, nth(names, n, each) | BELOW)).collect();
    directory(&mut out, &types);
    (0..resources.len()).for_each(|n| directory(&mut out, &[(1, nth(languages, n, each) | BELOW)]));
    (0..resources.len()).for_each(|n| directory(&mut out, &[(LANGUAGE.into(), nth(descriptions, n, 16))]));
    let (mut at, mut places) = (data, Vec::new());
    for (_, bytes) in resources {
        places.push(size(&out));
        put32(&mut out, &[at, size(bytes), 0, 0]);
        at += size(bytes).next_multiple_of(4);
    }
    for (_, bytes) in resources {
        out.extend(bytes);
        align(&mut out);
    }
    (out, places)
}

/// `VS_VERSIONINFO`.
fn version() -> Vec<u8> {
    let of_package = |name: &str| env::var(format!("CARGO_PKG_{name}")).unwrap_or_default();
    let number = |name: &str| of_package(name).parse::<u32>().unwrap_or(0);
    let version = [number("VERSION_MAJOR") << 16 | number("VERSION_MINOR"), number("VERSION_PATCH") << 16];
    let mut fixed = Vec::new();
    put32(&mut fixed, &[0xfeef_04bd, 0x0001_0000, version[0], version[1], version[0], version[1]]);
    // No flags; a program for 32-bit systems of the NT line, which all later ones are.
    put32(&mut fixed, &[0x3f, 0, 0x0004_0004, 1, 0, 0, 0]);
    let strings = [
        ("CompanyName", of_package("AUTHORS")),
        ("FileDescription", format!("Yumen: {}", of_package("DESCRIPTION").to_lowercase())),
        ("FileVersion", of_package("VERSION")),
        ("InternalName", "yumen".to_owned()),
        ("LegalCopyright", format!("Copyright {}; {}", of_package("AUTHORS"), of_package("LICENSE"))),
        ("OriginalFilename", "yumen.exe".to_owned()),
        ("ProductName", "Yumen".to_owned()),
        ("ProductVersion", of_package("VERSION")),
    ];
    let strings = strings.map(|(name, text)| node(name, Value::Text(&text), &[]));
    let table = node(&format!("{LANGUAGE:04x}{UTF16:04x}"), Value::Text(""), &strings);
    let mut translation = Vec::new();
    put16(&mut translation, &[LANGUAGE, UTF16]);
    let translation = node("Translation", Value::Bytes(&translation), &[]);
    let below =
        [node("StringFileInfo", Value::Text(""), &[table]), node("VarFileInfo", Value::Text(""), &[translation])];
    node("VS_VERSION_INFO", Value::Bytes(&fixed), &below)
}

enum Value<'a> {
    Bytes(&'a [u8]),
    Text(&'a str),
}

/// A node of a version resource: lengths, kind, name, value, what is below; all on multiples of 4.
fn node(name: &str, value: Value<'_>, below: &[Vec<u8>]) -> Vec<u8> {
    let (bytes, length, kind) = match value {
        Value::Bytes(bytes) => (bytes.to_vec(), bytes.len(), 0),
        Value::Text("") => (Vec::new(), 0, 1),
        // In characters.
        Value::Text(text) => (wide(text), wide(text).len() / 2, 1),
    };
    let mut out = Vec::new();
    put16(&mut out, &[0, length as u16, kind]);
    out.extend(wide(name));
    align(&mut out);
    out.extend(bytes);
    for one in below {
        align(&mut out);
        out.extend(one);
    }
    let length = (out.len() as u16).to_le_bytes();
    out.splice(..2, length);
    out
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

fn size(bytes: &[u8]) -> u32 {
    bytes.len() as u32
}

fn put16(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, numbers: &[u32]) {
    out.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
}
