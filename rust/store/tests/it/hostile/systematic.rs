//! The same trick by every way into an archive: a name may come in a ustar header, in its prefix, as GNU's long name or
//! in a PAX header, and a reader that looks at one of them only is fooled by the others.

use dcos_store::Rule;

use super::{Case, tar};
use crate::tarball::{Header, Tar};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for part in [names, targets, characters, types, numbers, keys, ends, looks] {
        part(&mut cases);
    }
    cases
}

fn add(cases: &mut Vec<Case>, name: String, rule: Rule, tar: Vec<u8>) {
    cases.push(Case { name, rule, tar });
}

/// Paths by all four ways.
fn names(cases: &mut Vec<Case>) {
    let bad = [
        ("/x", Rule::PathAbsolute),
        ("//x", Rule::PathAbsolute),
        ("../x", Rule::PathParent),
        ("a/../../x", Rule::PathParent),
        ("a/b/..", Rule::PathParent),
        ("a//x", Rule::PathForm),
        ("a/./x", Rule::PathForm),
        ("a/x\u{7f}", Rule::PathCharacter),
        ("a\\x", Rule::PathCharacter),
        ("e\u{301}/x", Rule::PathNormalization),
        ("PKGINFO.json", Rule::Collision),
        ("./pkginfo.json", Rule::Duplicate),
        ("pkginfo.json/x", Rule::ParentNotDirectory),
        ("a/x/", Rule::FileSlash),
    ];
    for (path, rule) in bad {
        add(cases, format!("{path:?} as a name"), rule, tar(|tar| tar.file(path, "x")));
        add(cases, format!("{path:?} as GNU's long name"), rule, tar(|tar| tar.long_name(b'L', path).file("x", "x")));
        add(cases, format!("{path:?} as a PAX path"), rule, tar(|tar| tar.pax(&[("path", path)]).file("x", "x")));
        if let Some((prefix, name)) =
            path.rsplit_once('/').filter(|(prefix, name)| !prefix.is_empty() && !name.is_empty())
        {
            let header = Header::new(name, b'0', 0).with(345, prefix.as_bytes());
            add(cases, format!("{path:?} with a prefix"), rule, tar(|tar| tar.entry(header, "x")));
        }
    }
}

/// Link targets by all three ways.
fn targets(cases: &mut Vec<Case>) {
    let bad = [
        ("/etc/passwd", Rule::LinkTarget),
        ("a\\..\\x", Rule::LinkTarget),
        ("x\u{202e}", Rule::LinkTarget),
        ("../../x", Rule::LinkEscapes),
        ("../../../../../../etc/passwd", Rule::LinkEscapes),
        ("./../.././x", Rule::LinkEscapes),
        ("nothing", Rule::LinkDangling),
        ("../d/nothing", Rule::LinkDangling),
        ("../pkginfo.json/.", Rule::LinkDangling),
        ("link", Rule::LinkLoop),
        ("../d/./link", Rule::LinkLoop),
    ];
    for (target, rule) in bad {
        add(cases, format!("a link to {target:?}"), rule, tar(|tar| tar.symlink("d/link", target)));
        let long = tar(|tar| tar.long_name(b'K', target).symlink("d/link", "x"));
        add(cases, format!("a long link to {target:?}"), rule, long);
        let pax = tar(|tar| tar.pax(&[("linkpath", target)]).symlink("d/link", "x"));
        add(cases, format!("a PAX link to {target:?}"), rule, pax);
    }
}

/// Characters that nobody sees, or that make text run the other way.
fn characters(cases: &mut Vec<Case>) {
    let bad = "\u{1}\t\r\u{1b}\u{85}\u{9b}\u{34f}\u{61c}\u{115f}\u{1160}\u{180e}\u{2028}\u{2029}\u{202a}\u{202d}\u{2060}\
               \u{2066}\u{206f}\u{200d}\u{200e}\u{3164}\u{fff9}\u{ffa0}\u{e0001}\u{e007f}";
    for character in bad.chars() {
        let name = format!("the character U+{:04X}", u32::from(character));
        add(cases, name, Rule::PathCharacter, tar(|tar| tar.file(format!("x{character}y"), "x")));
    }
}

/// Types that are no file, directory or symbolic link.
fn types(cases: &mut Vec<Case>) {
    for kind in *b"789ADEINZaz?\x01\x7f\x80\xff" {
        let tar = tar(|tar| tar.header(Header::new("x", kind, 0)));
        add(cases, format!("the type {:?}", char::from(kind)), Rule::UnknownType, tar);
    }
}

/// Numbers that one reader takes for one number, and another for another.
fn numbers(cases: &mut Vec<Case>) {
    let bad: [&[u8]; 6] = [
        b"8\0\0\0\0\0\0\0",
        b"0x1\0\0\0\0\0",
        b" 644\0\0\0\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"1 1\0\0\0\0\0",
        b"+1\0\0\0\0\0\0",
    ];
    for (place, field) in [(100, "mode"), (124, "size")] {
        for text in bad {
            let tar = tar(|tar| tar.header(Header::new("x", b'0', 0).with(place, text)));
            add(cases, format!("the {field} {:?}", String::from_utf8_lossy(text)), Rule::HeaderNumber, tar);
        }
    }
}

/// PAX keys that change what an entry is, or that some program heeds.
fn keys(cases: &mut Vec<Case>) {
    let unknown = [
        "charset",
        "hdrcharset",
        "realtime.any",
        "security.selinux",
        "RHT.security.selinux",
        "LIBARCHIVE.xattr.user.x",
        "LIBARCHIVE.symlinktype",
        "SCHILY.acl.access",
        "SCHILY.devmajor",
        "SCHILY.filetype",
        "SCHILY.xattr.user.x",
        "GNU.volume.label",
        "MSWINDOWS.rawsd",
        "type",
        "mode",
        "Path",
    ];
    for key in unknown {
        let tar = tar(|tar| tar.pax(&[(key, "1")]).file("x", "x"));
        add(cases, format!("the PAX key {key}"), Rule::PaxKey, tar);
    }
    for key in ["GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.name", "GNU.sparse.size", "GNU.sparse.numblocks"] {
        let tar = tar(|tar| tar.pax(&[(key, "1")]).file("x", "x"));
        add(cases, format!("the PAX key {key}"), Rule::Sparse, tar);
    }
    for key in ["path", "linkpath", "size", "mtime", "uid", "hdrcharset"] {
        let header = Header::new("g", b'g', 0);
        let tar = tar(|tar| tar.entry(header, crate::tarball::pax(&[(key, "1")])).file("x", "x"));
        add(cases, format!("the PAX key {key} for all"), Rule::PaxGlobal, tar);
    }
    for key in ["path", "linkpath", "size", "mtime"] {
        let tar = tar(|tar| tar.pax(&[(key, "1"), (key, "1")]).file("x", "x"));
        add(cases, format!("the PAX key {key} twice"), Rule::PaxDuplicate, tar);
    }
}

/// A whole archive, cut off at the end of each of its blocks and in the middle of it.
fn ends(cases: &mut Vec<Case>) {
    let whole = Tar::package().directory("d/").file("d/x", [7; 1000]).long_name(b'L', "y").file("y", "y").end();
    for place in (256..whole.len() - 512).step_by(256) {
        add(cases, format!("an archive of {place} bytes"), Rule::Truncated, whole[..place].to_vec());
    }
}

/// Pairs of names that somebody, or some file system, takes for one.
fn looks(cases: &mut Vec<Case>) {
    let pairs = [
        ("①", "1"),
        ("Ⅷ", "viii"),
        ("²", "2"),
        ("㎏", "kg"),
        ("ª", "a"),
        ("ｘ", "X"),
        ("ǆ", "DŽ"),
        ("ﬃ", "ffi"),
        ("É", "é"),
        ("Σ", "σ"),
        ("Ж", "ж"),
        ("lib/A", "lib/a"),
        ("Lib/a", "lib/b"),
    ];
    for (left, right) in pairs {
        let tar = tar(|tar| tar.file(left, "x").file(right, "x"));
        add(cases, format!("{left} and {right}"), Rule::Collision, tar);
    }
}
