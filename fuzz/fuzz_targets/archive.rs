//! Archives: whatever comes is refused by a rule, or listed the same a second time and in the other compression.
#![no_main]

use std::collections::BTreeMap;

use dcos_store::manifest::Content;
use dcos_store::{Expected, StoreError, survey};
use libfuzzer_sys::fuzz_target;

/// No input is longer than libFuzzer makes it, so this is far beyond what an honest one unpacks to.
const UNPACKED: u64 = 4 << 20;

fn look(bytes: &[u8]) -> Option<BTreeMap<String, Content>> {
    let expected = Expected { unpacked_limit: Some(UNPACKED), origin: "fuzz".to_owned(), ..Expected::default() };
    match survey(bytes, &expected) {
        Ok(entries) => Some(entries),
        Err(StoreError::Archive { .. }) => None,
        Err(error) => panic!("neither read nor refused by a rule: {error}"),
    }
}

/// A Zstandard frame of one stored block: tar reaches the reader without a compressor that would have to be outwitted.
fn stored(tar: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b0000_0000, 0x58];
    let mut blocks = tar.chunks(100_000).peekable();
    if blocks.peek().is_none() {
        frame.extend_from_slice(&[1, 0, 0]);
    }
    while let Some(block) = blocks.next() {
        let last = usize::from(blocks.peek().is_none());
        frame.extend_from_slice(&((block.len() << 3) | last).to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

/// Checksums are not what is to be found out: the headers of the input get right ones, as long as they lie where the
/// sizes that they state would have them.
fn sealed(input: &[u8]) -> Vec<u8> {
    let mut tar = input.to_vec();
    let mut place = 0;
    while let Some(block) = tar.get_mut(place..place + 512) {
        if block.iter().any(|byte| *byte != 0) {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let digits = block[124..135].iter().take_while(|byte| (b'0'..=b'7').contains(byte));
        let size = digits.fold(0_usize, |size, digit| size * 8 + usize::from(digit - b'0'));
        place += 512 + size.div_ceil(512) * 512;
    }
    tar
}

fuzz_target!(|input: &[u8]| {
    // As it is: compression.
    let seen = look(input);
    assert_eq!(seen, look(input));
    // As a tar stream within.
    let tar = sealed(input);
    let seen = look(&stored(&tar));
    if let Some(entries) = &seen {
        let paths: Vec<_> = entries.keys().collect();
        assert!(
            paths
                .iter()
                .all(|path| !path.starts_with('/') && !path.split('/').any(|part| matches!(part, "" | "." | "..")))
        );
        let bytes: u64 = entries.values().map(|it| if let Content::File { size, .. } = it { *size } else { 0 }).sum();
        assert!(bytes <= tar.len() as u64, "more bytes than the stream has");
        for (path, _) in entries {
            if let Some((parent, _)) = path.rsplit_once('/') {
                assert_eq!(entries.get(parent), Some(&Content::Directory), "{path}");
            }
        }
    }
});
