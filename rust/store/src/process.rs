//! Which processes there are, as `/proc` tells it.

use std::fs;

/// Whether there is a process of that number, dead but unreaped ones included.
pub(crate) fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap_or(true)
}

/// When a process started, in clock ticks after the boot: field 22 of `/proc/<pid>/stat`. `None` if it is gone or only
/// waits to be reaped.
///
/// A number alone does not name a process for long; a number with its start time does.
pub fn start_time(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command in parentheses may itself contain spaces and parentheses: fields count from the last one.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" | "x" => None,
        // The state was field 3; 18 further on is field 22.
        _ => fields.nth(18)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::{exists, start_time};

    #[test]
    fn this_process_has_a_start_time_and_no_process_zero_has() {
        assert!(exists(std::process::id()));
        assert!(start_time(std::process::id()).is_some_and(|ticks| ticks > 0));
        assert!(!exists(0));
        assert_eq!(start_time(0), None);
    }
}
