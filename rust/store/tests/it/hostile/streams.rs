//! What is wrong with the compressed stream, with its size, or with what it becomes.

use std::io::Read;

use dcos_store::{Expected, Rule};

use super::{accepted, receive_from, refused, tar};
use crate::tarball::{Header, Tar, gzip, zstd};

/// The rules that have their cases here.
pub(super) const RULES: [Rule; 7] = [
    Rule::UnknownCompression,
    Rule::DamagedCompression,
    Rule::TrailingBytes,
    Rule::ArchiveTooLarge,
    Rule::ArchiveTooShort,
    Rule::UnpackedTooLarge,
    Rule::TooManyEntries,
];

#[test]
fn the_compressed_stream_is_one_and_whole() {
    let tar = tar(|tar| tar.file("x", vec![7; 100_000]));
    let (gz, zst) = (gzip(&tar), zstd(&tar));
    refused("nothing", Rule::UnknownCompression, b"");
    refused("plain tar", Rule::UnknownCompression, &tar);
    refused("xz", Rule::UnknownCompression, b"\xfd7zXZ\0rest");
    refused("a second gzip member", Rule::TrailingBytes, &[gz.clone(), gzip(b"x")].concat());
    refused("bytes behind gzip", Rule::TrailingBytes, &[gz.clone(), vec![0]].concat());
    refused("bytes behind Zstandard", Rule::DamagedCompression, &[zst.clone(), vec![1]].concat());
    for end in [3, 10, gz.len() / 2, gz.len() - 9, gz.len() - 1] {
        refused("half a gzip", Rule::DamagedCompression, &gz[..end]);
    }
    for end in [5, 10, zst.len() / 2, zst.len() - 1] {
        refused("half a Zstandard", Rule::DamagedCompression, &zst[..end]);
    }
    let mut flipped = gz.clone();
    let place = flipped.len() - 6;
    flipped[place] ^= 1;
    refused("a wrong check sum", Rule::DamagedCompression, &flipped);
    // Several frames are one stream: that is how we build.
    let half = tar.len() / 2;
    accepted("two frames", &[zstd(&tar[..half]), zstd(&tar[half..])].concat());
}

#[test]
fn a_window_beyond_eight_mebibytes_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, &tar(|tar| tar)).unwrap();
    refused("a large window", Rule::DamagedCompression, &encoder.finish().unwrap());
}

#[test]
fn sizes_are_capped_by_what_was_promised() {
    let archive = gzip(&tar(|tar| tar.file("x", vec![0; 1 << 20])));
    let size = archive.len() as u64;
    let expected = |size: u64| Expected { size: Some(size), origin: "test".to_owned(), ..Expected::default() };
    let receive = |expected: &Expected, source: &mut (dyn Read + Send)| {
        let root = tempfile::tempdir().unwrap();
        receive_from(root.path(), source, expected).map_err(|refusal| refusal.rule)
    };
    assert_eq!(receive(&expected(size), &mut &archive[..]), Ok(()));
    assert_eq!(receive(&expected(size - 1), &mut &archive[..]), Err(Rule::ArchiveTooLarge));
    assert_eq!(receive(&expected(size + 1), &mut &archive[..]), Err(Rule::ArchiveTooShort));
    // Endless data: it is cut off, not waited for.
    let mut endless = (&archive[..]).chain(std::io::repeat(0));
    assert_eq!(receive(&expected(size), &mut endless), Err(Rule::ArchiveTooLarge));
    let limited = Expected { unpacked_limit: Some(1 << 20), ..expected(size) };
    assert_eq!(receive(&limited, &mut &archive[..]), Err(Rule::UnpackedTooLarge), "the pkginfo is in it too");
    let limited = Expected { unpacked_limit: Some((1 << 20) + 1000), ..expected(size) };
    assert_eq!(receive(&limited, &mut &archive[..]), Ok(()));
}

#[test]
fn a_bomb_of_names_is_refused() {
    // Links are made last, so none of them ever reaches the disk.
    let mut tar = Tar::package();
    for number in 0..100_001 {
        tar = tar.symlink(format!("l{number}"), "pkginfo.json");
    }
    refused("100,001 links", Rule::TooManyEntries, &zstd(&tar.end()));
}

#[test]
fn a_bomb_of_content_is_refused_by_what_it_says() {
    // The largest size that a header can state twice over; nothing is written for it.
    let eight = (8 << 30) - 1;
    let tar = Tar::package().header(Header::new("x", b'0', eight)).0;
    let root = tempfile::tempdir().unwrap();
    let expected = Expected { unpacked_limit: Some(1 << 30), origin: "test".to_owned(), ..Expected::default() };
    let refusal = receive_from(root.path(), &gzip(&tar)[..], &expected).unwrap_err();
    assert_eq!(refusal.rule, Rule::UnpackedTooLarge);
}
