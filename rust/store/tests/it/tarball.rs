//! Archives made by hand, so that anything can be wrong with them.

use std::io::Write as _;

/// A header of 512 bytes whose checksum is right whatever else is not.
#[derive(Clone)]
pub(crate) struct Header(pub(crate) [u8; 512]);

impl Header {
    /// A POSIX header.
    pub(crate) fn new(name: impl AsRef<[u8]>, kind: u8, size: u64) -> Self {
        let mut block = [0; 512];
        let name = name.as_ref();
        block[..name.len()].copy_from_slice(name);
        block[100..108].copy_from_slice(b"0000644\0");
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[136..148].copy_from_slice(b"00000000000\0");
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        Self(block)
    }

    /// The same with other bytes at `place`.
    pub(crate) fn with(mut self, place: usize, bytes: &[u8]) -> Self {
        self.0[place..place + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn link(self, target: impl AsRef<[u8]>) -> Self {
        self.with(157, target.as_ref())
    }

    pub(crate) fn mode(self, mode: u32) -> Self {
        self.with(100, format!("{mode:07o}\0").as_bytes())
    }

    /// The bytes, with the checksum filled in.
    pub(crate) fn sealed(mut self) -> [u8; 512] {
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// A tar stream in the making.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

pub(crate) const PKGINFO: &str = r#"{"format":1,"name":"a","version":"1","kind":"plain"}"#;

impl Tar {
    /// One that begins as a package does.
    pub(crate) fn package() -> Self {
        Self::default().file("pkginfo.json", PKGINFO)
    }

    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    pub(crate) fn header(self, header: Header) -> Self {
        self.raw(header.sealed())
    }

    /// Content, filled up to the block.
    pub(crate) fn content(self, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let padding = (512 - content.len() % 512) % 512;
        self.raw(content).raw(vec![0; padding])
    }

    /// A header, whose size is filled in, with its content.
    pub(crate) fn entry(self, header: Header, content: impl AsRef<[u8]>) -> Self {
        let size = format!("{:011o}\0", content.as_ref().len());
        self.header(header.with(124, size.as_bytes())).content(content)
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.entry(Header::new(name, b'0', 0), content)
    }

    pub(crate) fn directory(self, name: impl AsRef<[u8]>) -> Self {
        self.header(Header::new(name, b'5', 0))
    }

    pub(crate) fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.header(Header::new(name, b'2', 0).link(target))
    }

    /// A PAX header with these records before what comes next.
    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        self.entry(Header::new("pax", b'x', 0), pax(records))
    }

    pub(crate) fn long_name(self, kind: u8, name: &str) -> Self {
        self.entry(Header::new("././@LongLink", kind, 0), format!("{name}\0"))
    }

    /// The end, as it must be.
    pub(crate) fn end(self) -> Vec<u8> {
        self.raw([0; 1024]).0
    }
}

/// PAX records.
pub(crate) fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length.to_string().len() + rest.len() != length {
            length += 1;
        }
        bytes.extend_from_slice(format!("{length}{rest}").as_bytes());
    }
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}
