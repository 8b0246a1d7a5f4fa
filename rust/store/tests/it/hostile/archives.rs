//! Archives that one rule refuses, written by hand, and what is accepted although it looks odd.

use dcos_store::Rule;

use super::{Case, accepted, tar};
use crate::tarball::{Header, PKGINFO, Tar, gzip, zstd};

pub(super) fn cases() -> Vec<Case> {
    let file = |name: &str| tar(|tar| tar.file(name, "x"));
    let kind = |kind: u8| tar(|tar| tar.header(Header::new("x", kind, 0)));
    let with = |place: usize, bytes: &[u8]| tar(|tar| tar.header(Header::new("x", b'0', 0).with(place, bytes)));
    let link = |target: &str| tar(|tar| tar.symlink("d/link", target));
    let pax = |records: &[(&str, &str)]| tar(|tar| tar.pax(records).file("x", "x"));
    let pax_text = |text: &str| tar(|tar| tar.entry(Header::new("pax", b'x', 0), text).file("x", "x"));
    let long = "d/".repeat(63) + "x";
    let cases = vec![
        ("a character device", Rule::Device, kind(b'3')),
        ("a block device", Rule::Device, kind(b'4')),
        ("a pipe", Rule::NamedPipe, kind(b'6')),
        ("a hard link", Rule::HardLink, tar(|tar| tar.header(Header::new("x", b'1', 0).link("pkginfo.json")))),
        (
            "a hard link to the outside",
            Rule::HardLink,
            tar(|tar| tar.header(Header::new("x", b'1', 0).link("/etc/passwd"))),
        ),
        ("GNU's sparse file", Rule::Sparse, kind(b'S')),
        ("PAX's sparse file", Rule::Sparse, pax(&[("GNU.sparse.realsize", "1000000000000")])),
        ("a contiguous file", Rule::UnknownType, kind(b'7')),
        ("a volume label", Rule::UnknownType, kind(b'V')),
        ("a multi-volume file", Rule::UnknownType, kind(b'M')),
        ("Solaris's extended header", Rule::UnknownType, kind(b'X')),
        ("an unknown type", Rule::UnknownType, kind(b'!')),
        ("setuid", Rule::SpecialMode, tar(|tar| tar.header(Header::new("x", b'0', 0).mode(0o4755)))),
        ("setgid", Rule::SpecialMode, tar(|tar| tar.header(Header::new("x", b'0', 0).mode(0o2755)))),
        ("sticky directory", Rule::SpecialMode, tar(|tar| tar.header(Header::new("x/", b'5', 0).mode(0o1777)))),
        ("an absolute path", Rule::PathAbsolute, file("/etc/passwd")),
        ("two slashes first", Rule::PathAbsolute, file("//etc/passwd")),
        ("a path upwards", Rule::PathParent, file("../x")),
        ("a path upwards after a `./`", Rule::PathParent, file("./../x")),
        ("a path up and down", Rule::PathParent, file("a/../../x")),
        ("a path up at its end", Rule::PathParent, file("a/..")),
        ("an empty path", Rule::PathEmpty, file("")),
        ("a file at the top", Rule::PathEmpty, file(".")),
        ("an empty component", Rule::PathForm, file("a//x")),
        ("a dot component", Rule::PathForm, file("a/./x")),
        ("two dot components first", Rule::PathForm, file("././x")),
        ("a long component", Rule::PathTooLong, tar(|tar| tar.long_name(b'L', &"x".repeat(256)).file("x", "x"))),
        ("a long path", Rule::PathTooLong, tar(|tar| tar.long_name(b'L', &"x/".repeat(520)).file("x", "x"))),
        ("a deep path", Rule::PathTooDeep, tar(|tar| tar.long_name(b'L', &format!("d/{long}")).file("x", "x"))),
        ("a path that is not UTF-8", Rule::PathEncoding, tar(|tar| tar.file(b"x\xff", "x"))),
        ("an overlong slash", Rule::PathEncoding, tar(|tar| tar.file(b"x\xc0\xafy", "x"))),
        ("a line break", Rule::PathCharacter, file("x\ny")),
        ("a terminal's escape", Rule::PathCharacter, file("x\u{1b}[2Jy")),
        ("a backslash", Rule::PathCharacter, file("..\\x")),
        ("a text that turns", Rule::PathCharacter, file("x\u{202e}gpj.exe")),
        ("a space without width", Rule::PathCharacter, file("x\u{200b}")),
        ("a byte order mark", Rule::PathCharacter, file("\u{feff}x")),
        ("a soft hyphen", Rule::PathCharacter, file("x\u{ad}y")),
        ("a letter in two parts", Rule::PathNormalization, file("e\u{301}")),
        ("a compatible letter", Rule::PathNormalization, file("\u{212b}")),
        ("a file like a directory", Rule::FileSlash, file("x/")),
        ("an old file like a directory", Rule::FileSlash, tar(|tar| tar.header(Header::new("x/", 0, 0)))),
        ("a file twice", Rule::Duplicate, tar(|tar| tar.file("x", "1").file("x", "2"))),
        ("a file twice in two forms", Rule::Duplicate, tar(|tar| tar.file("x", "1").file("./x", "2"))),
        ("the pkginfo twice", Rule::Duplicate, file("pkginfo.json")),
        ("a directory twice", Rule::Duplicate, tar(|tar| tar.directory("d/").directory("d/"))),
        ("a directory where a file is", Rule::Duplicate, tar(|tar| tar.file("d", "x").directory("d/"))),
        (
            "a link where a directory is",
            Rule::Duplicate,
            tar(|tar| tar.file("d/x", "x").symlink("d", "e").directory("e/")),
        ),
        ("a name in two cases", Rule::Collision, tar(|tar| tar.file("x", "1").file("X", "2"))),
        ("a directory in two cases", Rule::Collision, tar(|tar| tar.file("lib/x", "1").file("LIB/y", "2"))),
        ("a name in two look-alikes", Rule::Collision, tar(|tar| tar.file("file", "1").file("\u{fb01}le", "2"))),
        ("a full-width name", Rule::Collision, tar(|tar| tar.file("a", "1").file("\u{ff41}", "2"))),
        ("the pkginfo in capitals", Rule::Collision, file("PkgInfo.json")),
        ("below a file", Rule::ParentNotDirectory, tar(|tar| tar.file("x", "1").file("x/y", "2"))),
        // What CVE-2026-33056 and many before it come down to: writing by way of a link of the same archive.
        (
            "below a link to the outside",
            Rule::ParentNotDirectory,
            tar(|tar| tar.symlink("d", "../../tmp").file("d/y", "2")),
        ),
        (
            "below a link to a directory",
            Rule::ParentNotDirectory,
            tar(|tar| tar.directory("e").symlink("d", "e").file("d/y", "2")),
        ),
        (
            "a directory below a link",
            Rule::ParentNotDirectory,
            tar(|tar| tar.directory("e").symlink("d", "e").directory("d/y")),
        ),
        ("a directory over a link", Rule::Duplicate, tar(|tar| tar.directory("e").symlink("d", "e").directory("d"))),
        ("a link to an absolute path", Rule::LinkTarget, link("/etc/passwd")),
        ("a link to nothing at all", Rule::LinkTarget, link("")),
        ("a link with a line break", Rule::LinkTarget, link("x\ny")),
        ("a link to the outside", Rule::LinkEscapes, link("../../x")),
        ("a link to the outside and back", Rule::LinkEscapes, link("../../store/pkginfo.json")),
        (
            "a link to the outside by way of another",
            Rule::LinkEscapes,
            tar(|tar| tar.directory("top").symlink("a/b/c/l", "../../../top").symlink("m", "a/b/c/l/../../x")),
        ),
        ("a link that dangles", Rule::LinkDangling, link("x")),
        ("a link through a file", Rule::LinkDangling, link("../pkginfo.json/x")),
        ("a link to itself", Rule::LinkLoop, link("link")),
        ("links in a circle", Rule::LinkLoop, tar(|tar| tar.symlink("x", "y").symlink("y", "x"))),
        (
            "a link with content",
            Rule::UnexpectedContent,
            tar(|tar| tar.entry(Header::new("x", b'2', 0).link("pkginfo.json"), "x")),
        ),
        ("a directory with content", Rule::UnexpectedContent, tar(|tar| tar.entry(Header::new("d/", b'5', 0), "x"))),
        ("a wrong checksum", Rule::Checksum, {
            let mut header = Header::new("x", b'0', 0).sealed();
            header[0] = b'y';
            Tar::package().raw(header).end()
        }),
        ("a header of the seventh edition", Rule::HeaderFormat, with(257, &[0; 8])),
        ("a GNU header with times", Rule::HeaderFormat, {
            let header = Header::new("x", b'0', 0).with(257, b"ustar  \0").with(345, b"00000000001\0");
            tar(|tar| tar.header(header))
        }),
        ("a size in base 256", Rule::HeaderNumber, with(124, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("a negative size", Rule::HeaderNumber, with(124, b"-0000000001\0")),
        ("a size with a stray character", Rule::HeaderNumber, with(124, b"0000000000x\0")),
        ("a size after spaces", Rule::HeaderNumber, with(124, b"          0\0")),
        ("no size", Rule::HeaderNumber, with(124, &[0; 12])),
        ("a number behind a number's end", Rule::HeaderNumber, with(124, b"00000\x00000001")),
        ("a mode in base 256", Rule::HeaderNumber, with(100, &[0x80, 0, 0, 0, 0, 0, 1, 0xa4])),
        ("bytes behind a name's end", Rule::HeaderText, with(0, b"x\0y")),
        (
            "bytes behind a link's end",
            Rule::HeaderText,
            tar(|tar| tar.header(Header::new("x", b'2', 0).link(b"pkginfo.json\0y"))),
        ),
        // CVE-2025-62518: one size for the reader that knows PAX, another one for the reader that does not.
        ("a PAX size beside a header of none", Rule::PaxSize, {
            let inner = Tar::default().file("evil", "x").0;
            let size = inner.len().to_string();
            tar(|tar| tar.pax(&[("size", &size)]).header(Header::new("x", b'0', 0)).raw(inner))
        }),
        ("a PAX size of none", Rule::PaxSize, pax(&[("size", "0")])),
        ("a PAX size that is none", Rule::PaxSyntax, pax(&[("size", "+1")])),
        ("a huge PAX size", Rule::PaxSyntax, pax(&[("size", "99999999999999999999999")])),
        ("a PAX attribute", Rule::PaxKey, pax(&[("SCHILY.xattr.security.capability", "x")])),
        ("a PAX character set", Rule::PaxKey, pax(&[("hdrcharset", "BINARY")])),
        ("a PAX key twice", Rule::PaxDuplicate, pax(&[("path", "y"), ("path", "z")])),
        (
            "two PAX headers",
            Rule::ExtensionOrder,
            tar(|tar| tar.pax(&[("mtime", "1")]).pax(&[("path", "z")]).file("x", "x")),
        ),
        ("a PAX record without its length", Rule::PaxSyntax, pax_text("path=y\n")),
        ("a PAX record that is too long", Rule::PaxSyntax, pax_text("99 path=y\n")),
        ("a PAX record that is too short", Rule::PaxSyntax, pax_text("9 path=yy\n")),
        ("a PAX record of no length", Rule::PaxSyntax, pax_text("0 path=y\n")),
        ("a PAX record with a padded length", Rule::PaxSyntax, pax_text("011 path=y\n")),
        ("a PAX value of nothing", Rule::PaxSyntax, pax_text("8 path=\n")),
        ("a PAX value with a NUL", Rule::PaxSyntax, pax(&[("path", "x\0y")])),
        ("a PAX path upwards", Rule::PathParent, pax(&[("path", "../x")])),
        (
            "a PAX link outwards",
            Rule::LinkEscapes,
            tar(|tar| tar.pax(&[("linkpath", "../x")]).symlink("x", "pkginfo.json")),
        ),
        (
            "a PAX path for all",
            Rule::PaxGlobal,
            tar(|tar| tar.entry(Header::new("g", b'g', 0), crate::tarball::pax(&[("path", "y")])).file("x", "x")),
        ),
        (
            "a long name and a PAX path",
            Rule::ExtensionOrder,
            tar(|tar| tar.long_name(b'L', "y").pax(&[("path", "z")]).file("x", "x")),
        ),
        (
            "two long names",
            Rule::ExtensionOrder,
            tar(|tar| tar.long_name(b'L', "y").long_name(b'L', "z").file("x", "x")),
        ),
        ("a long name of nothing", Rule::ExtensionOrder, tar(|tar| tar.long_name(b'L', "y"))),
        (
            "a long name without an end",
            Rule::HeaderText,
            tar(|tar| tar.entry(Header::new("l", b'L', 0), "y").file("x", "x")),
        ),
        (
            "a long name with two ends",
            Rule::HeaderText,
            tar(|tar| tar.entry(Header::new("l", b'L', 0), "y\0z\0").file("x", "x")),
        ),
        ("a long name upwards", Rule::PathParent, tar(|tar| tar.long_name(b'L', "../x").file("x", "x"))),
        ("an endless long name", Rule::ExtensionTooLarge, tar(|tar| tar.header(Header::new("l", b'L', 1 << 30)))),
        (
            "an endless PAX header",
            Rule::ExtensionTooLarge,
            tar(|tar| tar.header(Header::new("l", b'x', 0o77_777_777_777))),
        ),
        ("padding with something in it", Rule::Padding, {
            let mut bytes = tar(|tar| tar.file("x", "x"));
            let end = bytes.len() - 1024;
            bytes[end - 1] = 1;
            bytes
        }),
        ("a zero block between entries", Rule::Padding, tar(|tar| tar.raw([0; 512]).file("x", "x"))),
        ("an entry behind the end", Rule::DataAfterEnd, Tar::package().raw([0; 1024]).file("x", "x").end()),
        ("endless zeros", Rule::DataAfterEnd, tar(|tar| tar.raw(vec![0; (1 << 20) + 2048]))),
        ("no end", Rule::Truncated, Tar::package().0),
        ("half an end", Rule::Truncated, Tar::package().raw([0; 512]).0),
        ("an end in a header", Rule::Truncated, Tar::package().raw([1; 100]).0),
        ("an end in a file", Rule::Truncated, Tar::package().header(Header::new("x", b'0', 4096)).raw([1; 100]).0),
        ("an end in a long name", Rule::Truncated, Tar::package().header(Header::new("x", b'L', 4096)).raw([1; 100]).0),
        ("an end in padding", Rule::Truncated, Tar::package().header(Header::new("x", b'0', 1)).raw([1; 100]).0),
        ("nothing at all", Rule::Truncated, Vec::new()),
        ("no pkginfo", Rule::NoPkgInfo, Tar::default().file("x", "x").end()),
        ("a pkginfo further down", Rule::NoPkgInfo, Tar::default().file("a--1/pkginfo.json", PKGINFO).end()),
        ("a library that is not there", Rule::NoLibrary, {
            let module = PKGINFO.replace(
                "\"plain\"",
                r#""module","mesos":{"version":"1.11.0"},"modules":[{"library":"lib/x.so","name":"X"}]"#,
            );
            Tar::default().file("pkginfo.json", module).end()
        }),
    ];
    cases.into_iter().map(|(name, rule, tar)| Case { name: name.to_owned(), rule, tar }).collect()
}

#[test]
fn what_looks_odd_is_accepted() {
    let deep = "d/".repeat(63) + "x";
    let long = "x".repeat(255);
    let gnu = |name: &str| Header::new(name, b'0', 0).with(257, b"ustar  \0");
    for (name, tar) in [
        ("nothing more", tar(|tar| tar)),
        ("a top directory", Tar::default().directory("./").file("./pkginfo.json", PKGINFO).end()),
        ("a top directory without a slash", Tar::default().directory(".").file("pkginfo.json", PKGINFO).end()),
        ("an old file", tar(|tar| tar.header(Header::new("x", 0, 0)))),
        ("GNU's header", tar(|tar| tar.entry(gnu("x"), "x"))),
        ("POSIX's prefix", tar(|tar| tar.entry(Header::new("x", b'0', 0).with(345, b"a/b"), "x"))),
        (
            "modes of all kinds",
            tar(|tar| tar.header(Header::new("x", b'0', 0).mode(0o777)).header(Header::new("y", b'0', 0).mode(0))),
        ),
        ("a link with any mode", tar(|tar| tar.header(Header::new("x", b'2', 0).link("pkginfo.json").mode(0o7777)))),
        ("a long component", tar(|tar| tar.long_name(b'L', &long).file("x", "x"))),
        ("a deep path", tar(|tar| tar.long_name(b'L', &deep).file("x", "x"))),
        ("a long link", tar(|tar| tar.long_name(b'K', &format!("{}pkginfo.json", "./".repeat(100))).symlink("x", "y"))),
        (
            "a PAX path and size",
            tar(|tar| tar.pax(&[("path", "é/y"), ("size", "1"), ("mtime", "1.5"), ("uname", "root")]).file("x", "x")),
        ),
        ("a PAX link", tar(|tar| tar.pax(&[("linkpath", "pkginfo.json")]).symlink("x", "y"))),
        (
            "a comment of git's",
            tar(|tar| tar.entry(Header::new("g", b'g', 0), crate::tarball::pax(&[("comment", "abc")])).file("x", "x")),
        ),
        ("names that begin with dots", tar(|tar| tar.file("..x", "x").file(".x", "x").file("x/...", "x"))),
        ("letters of the world", tar(|tar| tar.file("Főtanúsítvány.crt", "x").file("日本", "x"))),
        ("a directory after its content", tar(|tar| tar.file("d/x", "x").directory("d/"))),
        ("a directory with nothing in it", tar(|tar| tar.directory("d"))),
        ("links within", tar(|tar| tar.file("lib/a.1", "x").symlink("lib/a", "a.1").symlink("d/e/f", "../../lib/a"))),
        ("a link to a directory", tar(|tar| tar.directory("d").symlink("e", "d").symlink("f", "./d/."))),
        ("a link before its target", tar(|tar| tar.symlink("a", "b").file("b", "x"))),
        ("a record of zeros at the end", tar(|tar| tar.raw(vec![0; 10240]))),
        ("a file that ends with its block", tar(|tar| tar.file("x", [7; 512]))),
    ] {
        accepted(name, &gzip(&tar));
        accepted(name, &zstd(&tar));
    }
}
