//! Debian's order of versions (Debian Policy, section 5.6.12).
//!
//! `[epoch:]upstream[-revision]`; each part is compared as runs of non-digits and digits by turns. Digits compare as
//! numbers of any length; in non-digits `~` sorts before everything, even the end, and letters before other characters.

use std::cmp::Ordering;

/// Compares two versions. Different texts may be equal in this order (`1.0` and `1.00`).
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left_epoch, left_upstream, left_revision) = split(left);
    let (right_epoch, right_upstream, right_revision) = split(right);
    compare_part(left_epoch, right_epoch)
        .then_with(|| compare_part(left_upstream, right_upstream))
        .then_with(|| compare_part(left_revision, right_revision))
}

/// Epoch, upstream version and revision; an absent epoch or revision counts as `0`.
fn split(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch, rest),
        _ => ("0", version),
    };
    match rest.rsplit_once('-') {
        Some((upstream, revision)) => (epoch, upstream, revision),
        None => (epoch, rest, "0"),
    }
}

fn compare_part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = take(left, |byte| !byte.is_ascii_digit());
        let (right_text, right_rest) = take(right, |byte| !byte.is_ascii_digit());
        let (left_number, left_rest) = take(left_rest, |byte| byte.is_ascii_digit());
        let (right_number, right_rest) = take(right_rest, |byte| byte.is_ascii_digit());
        let order = compare_text(left_text, right_text).then_with(|| compare_number(left_number, right_number));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn take(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// The place of a character in non-digit runs; `None` is the end of the run.
fn weight(byte: Option<u8>) -> u32 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(byte) if byte.is_ascii_alphabetic() => 2 + u32::from(byte),
        Some(byte) => 1000 + u32::from(byte),
    }
}

fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    (0..left.len().max(right.len()))
        .map(|place| weight(left.get(place).copied()).cmp(&weight(right.get(place).copied())))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

fn compare_number(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = take(left, |byte| byte == b'0');
    let (_, right) = take(right, |byte| byte == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::compare;
    use std::cmp::Ordering::{Equal, Greater, Less};

    #[test]
    fn debian_policy() {
        for (left, order, right) in [
            ("1.0", Equal, "1.00"),
            ("1.0", Less, "1.1"),
            ("1.9.0", Less, "1.10.0"),
            ("1.10.0", Less, "1.11.0"),
            ("1.0~rc1", Less, "1.0"),
            ("1.0~~", Less, "1.0~"),
            ("1.0", Less, "1.0+mesos1.10.0"),
            ("1.0a", Less, "1.0+"),
            ("1:0.1", Greater, "9.9"),
            ("1.0-1", Greater, "1.0"),
            ("1.0-0", Equal, "1.0"),
            ("1.0-2", Greater, "1.0-1"),
            ("99999999999999999999999", Greater, "99999999999999999999998"),
            ("abc", Greater, "ab"),
            ("", Less, "0a"),
        ] {
            assert_eq!(compare(left, right), order, "{left} {right}");
            assert_eq!(compare(right, left), order.reverse(), "{right} {left}");
        }
    }
}
