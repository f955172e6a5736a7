//! What `yumen.exe` tells Windows about itself, read as the loader does.

use crate::gateway::PROGRAM;

struct Image(Vec<u8>);

impl Image {
    fn number(&self, at: usize, size: usize) -> usize {
        self.0[at..at + size].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte))
    }

    /// Where an address of the loaded program lies in the file.
    fn place(&self, address: usize) -> usize {
        let headers = self.number(0x3c, 4);
        let (count, optional) = (self.number(headers + 6, 2), self.number(headers + 20, 2));
        let sections = (0..count).map(|n| headers + 24 + optional + 40 * n);
        let mut places = sections.filter_map(|at| {
            let (start, size, raw) = (self.number(at + 12, 4), self.number(at + 8, 4), self.number(at + 20, 4));
            (start..start + size).contains(&address).then(|| raw + address - start)
        });
        places.next().unwrap()
    }

    /// The data of the first resource of a type.
    fn resource(&self, kind: usize) -> &[u8] {
        // The third of the directories behind the optional header of a 64-bit program.
        let root = self.place(self.number(self.number(0x3c, 4) + 24 + 112 + 16, 4));
        let count = self.number(root + 12, 2) + self.number(root + 14, 2);
        let entries = (0..count).map(|n| root + 16 + 8 * n);
        let mut found = entries.filter(|at| self.number(*at, 4) == kind).map(|at| self.number(at + 4, 4));
        let below = |entry: usize| self.number(root + (entry & 0x7fff_ffff) + 16 + 4, 4);
        let data = root + below(below(found.next().unwrap()));
        let (start, size) = (self.place(self.number(data, 4)), self.number(data + 4, 4));
        &self.0[start..start + size]
    }
}

#[test]
fn program_has_a_version_and_asks_for_utf_8_and_long_paths() {
    let image = Image(std::fs::read(PROGRAM).unwrap());
    let version = image.resource(16);
    assert_eq!(usize::from(u16::from_le_bytes([version[0], version[1]])), version.len());
    let text: Vec<u16> = version.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16_lossy(&text);
    for part in ["VS_VERSION_INFO", "ProductName\0", "Yumen\0", "LegalCopyright\0", env!("CARGO_PKG_VERSION")] {
        assert!(text.contains(part), "{part} in {text:?}");
    }
    let manifest = std::str::from_utf8(image.resource(24)).unwrap();
    for part in [">UTF-8</activeCodePage>", ">true</longPathAware>", "supportedOS", "asInvoker"] {
        assert!(manifest.contains(part), "{part} in {manifest}");
    }
}
