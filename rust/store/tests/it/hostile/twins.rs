//! For each rule an archive that differs from one of its cases in what the rule is about only.

use dcos_store::Rule;

use super::tar;
use crate::tarball::{Header, PKGINFO, Tar, gzip, pax, zstd};

/// The twins, compressed.
pub(super) fn all() -> Vec<(Rule, Vec<u8>)> {
    let mut all: Vec<(Rule, Vec<u8>)> = tars().into_iter().map(|(rule, tar)| (rule, gzip(&tar))).collect();
    let whole = tar(|tar| tar.file("x", vec![7; 100_000]));
    // Every case of these is the same archive, damaged, longer or shorter; sizes have a test with both.
    all.extend(
        [
            Rule::UnknownCompression,
            Rule::DamagedCompression,
            Rule::TrailingBytes,
            Rule::ArchiveTooLarge,
            Rule::ArchiveTooShort,
            Rule::UnpackedTooLarge,
        ]
        .map(|rule| (rule, zstd(&whole))),
    );
    all
}

fn tars() -> Vec<(Rule, Vec<u8>)> {
    let file = |name: &str| tar(|tar| tar.file(name, "x"));
    let header = |header: Header| tar(|tar| tar.header(header));
    let plain = || Header::new("x", b'0', 0);
    let inner = Tar::default().file("evil", "x").0;
    let module = r#""module","mesos":{"version":"1.11.0"},"modules":[{"library":"lib/x.so","name":"X"}]"#;
    let module = PKGINFO.replace("\"plain\"", module);
    let many = |tar: Tar| (0..1000).fold(tar, |tar, number| tar.symlink(format!("l{number}"), "pkginfo.json"));
    vec![
        (Rule::Device, header(plain())),
        (Rule::NamedPipe, header(plain())),
        (Rule::UnknownType, header(plain())),
        (Rule::HardLink, header(Header::new("x", b'2', 0).link("pkginfo.json"))),
        (Rule::Sparse, tar(|tar| tar.pax(&[("comment", "1000000000000")]).file("x", "x"))),
        (Rule::SpecialMode, header(plain().mode(0o755))),
        (Rule::PathAbsolute, file("etc/passwd")),
        (Rule::PathParent, file("a/..x")),
        (Rule::PathEmpty, file("x")),
        (Rule::PathForm, file("a/x")),
        (Rule::PathTooLong, tar(|tar| tar.long_name(b'L', &"x".repeat(255)).file("x", "x"))),
        (Rule::PathTooDeep, tar(|tar| tar.long_name(b'L', &("d/".repeat(63) + "x")).file("x", "x"))),
        (Rule::PathEncoding, file("x\u{ff}")),
        (Rule::PathCharacter, file("x y")),
        (Rule::PathNormalization, file("\u{e9}")),
        (Rule::FileSlash, header(Header::new("x/", b'5', 0))),
        (Rule::Duplicate, tar(|tar| tar.file("x", "1").file("y", "2"))),
        (Rule::Collision, tar(|tar| tar.file("file", "1").file("fill", "2"))),
        (Rule::ParentNotDirectory, tar(|tar| tar.directory("e").symlink("d", "e").file("e/y", "2"))),
        (Rule::LinkTarget, tar(|tar| tar.file("etc/passwd", "x").symlink("link", "etc/passwd"))),
        (Rule::LinkEscapes, tar(|tar| tar.symlink("d/link", "../pkginfo.json"))),
        (Rule::LinkDangling, tar(|tar| tar.file("d/x", "x").symlink("d/link", "x"))),
        (Rule::LinkLoop, tar(|tar| tar.symlink("x", "y").symlink("y", "pkginfo.json"))),
        (Rule::UnexpectedContent, tar(|tar| tar.symlink("x", "pkginfo.json"))),
        (Rule::Checksum, Tar::package().raw(plain().sealed()).end()),
        (Rule::HeaderFormat, header(plain().with(257, b"ustar  \0"))),
        (Rule::HeaderNumber, header(plain().with(124, b"00000000000 "))),
        (Rule::HeaderText, header(plain().with(0, b"xy"))),
        (Rule::PaxSize, {
            let size = inner.len().to_string();
            tar(|tar| tar.pax(&[("size", &size)]).entry(plain(), &inner))
        }),
        (Rule::PaxSyntax, tar(|tar| tar.entry(Header::new("pax", b'x', 0), "10 path=y\n").file("x", "x"))),
        (Rule::PaxKey, tar(|tar| tar.pax(&[("mtime", "1.5"), ("uname", "root")]).file("x", "x"))),
        (Rule::PaxDuplicate, tar(|tar| tar.pax(&[("path", "y"), ("mtime", "1")]).file("x", "x"))),
        (Rule::PaxGlobal, tar(|tar| tar.entry(Header::new("g", b'g', 0), pax(&[("comment", "y")])).file("x", "x"))),
        (Rule::ExtensionOrder, tar(|tar| tar.long_name(b'L', "y").pax(&[("mtime", "1")]).file("x", "x"))),
        (Rule::ExtensionTooLarge, tar(|tar| tar.pax(&[("comment", &"x".repeat(30_000))]).file("x", "x"))),
        (Rule::Padding, file("x")),
        (Rule::DataAfterEnd, tar(|tar| tar.raw(vec![0; 8192]))),
        (Rule::Truncated, Tar::package().end()),
        (Rule::NoPkgInfo, Tar::package().end()),
        (Rule::NoLibrary, Tar::default().file("pkginfo.json", module).file("lib/x.so", "x").end()),
        (Rule::TooManyEntries, many(Tar::package()).end()),
    ]
}
