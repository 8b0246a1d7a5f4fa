//! A crash at every system call that touches a file, in four ways, and whatever follows from it.
//!
//! The victim is this program itself, started as `victim COMMAND …` under `strace`, which counts its system calls.
//!
//! 1. It is killed at the first of a kind, at the second, and so on; not a sample but all of them.
//! 2. The call fails instead, with EIO or ENOSPC.
//! 3. The power goes away, in a model: everything that unsynced writes may have come to ([`power`]). The other way round,
//!    each sync and each rename is left out, which must make some of those states bad ([`needed`]).
//! 4. The power goes away in earnest, as far as that can be had: from an ext4 that is shut down ([`cut`]).
//!
//! After each, with nothing repaired, readers must find a store in which every rule holds; the same command must then
//! simply work; and what it leaves must be what it leaves without a crash ([`examine`]).
//!
//! `DCOS_BITS_LONG=1 cargo test -p dcos-store --test crash` checks all of it; otherwise a share of what takes long, another
//! one every day.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it counted"
)]

mod cut;
mod disk;
mod examine;
#[path = "../it/fixture.rs"]
mod fixture;
mod kill;
mod needed;
mod power;
mod scenes;
mod source;

use std::process::{Command, ExitCode};
use std::time::{Instant, SystemTime};

use scenes::{scenes, victim};

/// The parts, in order.
const KILL: &str = "kill";
const POWER: &str = "power";
const NEEDED: &str = "needed";
const CUT: &str = "cut";

/// The variable that asks for everything, which takes ten minutes.
const ALL: &str = "DCOS_BITS_LONG";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["victim", command, rest @ ..] => victim(command, rest),
        [cut::ARGUMENT] => {
            cut::run(&scenes());
            ExitCode::SUCCESS
        }
        ["--list", ..] => ExitCode::SUCCESS,
        arguments => {
            // Only a part, or nothing at all, as `cargo test NAME` asks of every test program.
            let name = arguments.iter().find(|argument| !argument.starts_with('-')).copied().unwrap_or_default();
            let asked = |part: &str| format!("crash::{part}").contains(name);
            if ![KILL, POWER, NEEDED, CUT].into_iter().any(asked) {
                return ExitCode::SUCCESS;
            }
            let strace = Command::new("strace").arg("-V").output();
            assert!(strace.is_ok_and(|output| output.status.success()), "`strace` is needed (Debian: strace)");
            examine::tell_only_the_last_panic();
            let scenes = scenes();
            // What needs root comes last.
            let parts: [(&str, &dyn Fn()); 4] = [
                (KILL, &|| kill::run(&scenes)),
                (POWER, &|| power::run(&scenes)),
                (NEEDED, &|| needed::run(&scenes)),
                (CUT, &cut::start),
            ];
            for (_, part) in parts.into_iter().filter(|(part, _)| asked(part)) {
                let begun = Instant::now();
                part();
                println!("  in {:.0} s", begun.elapsed().as_secs_f64());
            }
            ExitCode::SUCCESS
        }
    }
}

/// Whether everything is asked for.
fn all() -> bool {
    std::env::var_os(ALL).is_some()
}

/// Whether one of many is checked where only one in `share` is: another share every day.
fn chosen(number: usize, share: usize) -> bool {
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs() / 86_400);
    all() || (number + usize::try_from(today).unwrap_or_default()).is_multiple_of(share)
}
