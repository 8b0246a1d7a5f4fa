//! What was found in the archive readers of others, made again by hand. Each test first shows, on a reader that does what
//! the advisory describes, that the archive is the attack; then that ours refuses it and nothing outside has changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use dcos_store::Rule;

use super::{accepted, receive, refused, tar};
use crate::tarball::{Header, Tar, gzip, zstd};

/// How a reader finds out where the next header is, if there is a PAX size.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Believes {
    /// POSIX: the PAX size.
    Pax,
    /// The header's, always.
    Header,
    /// The PAX size where the header says 0, else the header's.
    HeaderUnlessZero,
}

fn octal(field: &[u8]) -> usize {
    let digits = field.iter().take_while(|byte| (b'0'..=b'7').contains(byte));
    digits.fold(0, |value, digit| value * 8 + usize::from(digit - b'0'))
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// The headers that such a reader comes across, save those that only say more of the next.
fn headers(tar: &[u8], believes: Believes) -> Vec<&[u8]> {
    let (mut found, mut place, mut pax) = (Vec::new(), 0, None);
    while let Some(header) = tar.get(place..place + 512).filter(|header| header[0] != 0) {
        let stated = octal(&header[124..136]);
        let mut size = stated;
        if header[156] == b'x' {
            let content = text(&tar[place + 512..place + 512 + stated]);
            pax = content.lines().find_map(|line| line.split_once(" size=")?.1.parse().ok());
        } else {
            found.push(header);
            size = match (pax.take(), believes) {
                (None, _) | (_, Believes::Header) => stated,
                (Some(pax), Believes::Pax) => pax,
                (Some(pax), Believes::HeaderUnlessZero) => {
                    if stated == 0 {
                        pax
                    } else {
                        stated
                    }
                }
            };
        }
        place += 512 + size.div_ceil(512) * 512;
    }
    found
}

fn names(tar: &[u8], believes: Believes) -> Vec<String> {
    headers(tar, believes).into_iter().map(|header| text(&header[..100])).collect()
}

/// CVE-2025-62518: the PAX header knows the size of a nested archive, the ustar header says 0. A reader that passes over
/// the PAX size for its next step takes the headers inside for entries of the outer archive: two programs, two contents.
#[test]
fn a_nested_archive_is_not_smuggled_in() {
    let inner = Tar::default().file("evil", "#!/bin/sh").0;
    let size = inner.len().to_string();
    let attack =
        tar(|tar| tar.pax(&[("size", &size)]).header(Header::new("inner.tar", b'0', 0)).raw(&inner).file("z", "z"));
    assert_eq!(names(&attack, Believes::Pax), ["pkginfo.json", "inner.tar", "z"]);
    assert_eq!(names(&attack, Believes::Header), ["pkginfo.json", "inner.tar", "evil", "z"]);
    refused("CVE-2025-62518", Rule::PaxSize, &gzip(&attack));

    // The same the other way round (CVE-2026-33055): a size in the header, and another one in PAX, which is not heeded.
    let more = (inner.len() + 512).to_string();
    let attack = tar(|tar| tar.pax(&[("size", &more)]).entry(Header::new("inner.tar", b'0', 0), [7; 512]).raw(&inner));
    assert_eq!(names(&attack, Believes::Pax), ["pkginfo.json", "inner.tar"]);
    assert_eq!(names(&attack, Believes::HeaderUnlessZero), ["pkginfo.json", "inner.tar", "evil"]);
    refused("CVE-2026-33055", Rule::PaxSize, &zstd(&attack));

    // An archive within an archive is a file like any other, if there is one word about its size.
    let twin = tar(|tar| tar.pax(&[("size", &size)]).entry(Header::new("inner.tar", b'0', 0), &inner).file("z", "z"));
    assert_eq!(names(&twin, Believes::Pax), names(&twin, Believes::Header));
    accepted("an archive in an archive", &gzip(&twin));
}

/// Unpacks links and directories as the advisory says it was done: a directory that "is there already" is looked at
/// through the link, and then given its mode.
fn careless(tar: &[u8], root: &Path) {
    for header in headers(tar, Believes::Pax) {
        let path = root.join(text(&header[..100]));
        match header[156] {
            b'2' => symlink(text(&header[157..257]), &path).unwrap(),
            b'5' => {
                if fs::create_dir(&path).is_err() {
                    assert!(fs::metadata(&path).unwrap().is_dir());
                }
                let mode = u32::try_from(octal(&header[100..108])).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            _ => {}
        }
    }
}

/// CVE-2026-33056: a link to a directory outside, then a directory of the link's name. Its mode goes to the target.
#[test]
fn a_directory_outside_keeps_its_mode() {
    let scratch = tempfile::tempdir().unwrap();
    let victim = scratch.path().join("victim");
    fs::create_dir(&victim).unwrap();
    let mode = || fs::metadata(&victim).unwrap().permissions().mode() & 0o7777;
    let close = || fs::set_permissions(&victim, fs::Permissions::from_mode(0o700)).unwrap();
    let absolute = victim.to_str().unwrap().to_owned();
    let open = |name: &str| Header::new(name, b'5', 0).mode(0o777);
    for (target, name) in
        [(absolute.as_str(), "d"), (absolute.as_str(), "d/"), ("../../../../victim", "d"), ("../victim", "d/.")]
    {
        let attack = tar(|tar| tar.symlink("d", target).header(open(name)));
        close();
        if target == absolute {
            let root = tempfile::tempdir_in(scratch.path()).unwrap();
            careless(&attack, root.path());
            assert_eq!(mode(), 0o777, "the archive is not the attack");
            close();
        }
        let refusal = receive(scratch.path(), &gzip(&attack)).unwrap_err();
        // Whichever of them comes first: the target is wrong, and so is the place.
        assert!([Rule::LinkTarget, Rule::Duplicate, Rule::PathForm].contains(&refusal.rule), "{refusal}");
        assert_eq!(mode(), 0o700, "{target} {name}");
    }
    // The place alone: the link stays inside.
    refused(
        "a directory over a link",
        Rule::Duplicate,
        &gzip(&tar(|tar| tar.directory("e").symlink("d", "e").header(open("d")))),
    );
    accepted("a directory beside a link", &gzip(&tar(|tar| tar.directory("e").symlink("d", "e").header(open("f")))));
}

/// RUSTSEC-2018-0002 and RUSTSEC-2021-0080: a file over a link overwrites its target; the directories on the way to a
/// file below a link are made before anybody looks where they are.
#[test]
fn nothing_is_written_by_way_of_a_link() {
    let scratch = tempfile::tempdir().unwrap();
    let victim = scratch.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let attacks = [
        tar(|tar| tar.symlink("d", "../../../../victim").file("d", "overwritten")),
        tar(|tar| tar.symlink("d", "..").file("d/made/on/the/way", "x")),
        tar(|tar| tar.symlink("d", "../../../..").directory("d/made/")),
        tar(|tar| tar.symlink("d", "../../../..").symlink("d/made", "victim")),
    ];
    for (number, attack) in attacks.iter().enumerate() {
        receive(scratch.path(), &zstd(attack)).unwrap_err();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched", "{number}");
        let found = crate::fixture::walk(scratch.path());
        assert!(!found.iter().any(|path| path.contains("made")), "{number}: {found:?}");
    }
}
