//! What must stay, and who needs it.
//!
//! Whatever is in doubt stays: a journal written by another release is searched for anything that looks like a package
//! of ours, and a live process that mentions a path of the store keeps what the path names.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use dcos_core::{PackageId, PackageSet};
use serde::Deserialize as _;

use super::generation::history::last_confirmed;
use crate::error::StoreError;
use crate::store::{GENERATIONS, HELPER, PACKAGES, STATE, Store};

/// The journal of the last restart, which goes back to where it came from, however long ago that was confirmed.
const JOURNAL: &str = "journal.json";

/// Documents below `state/` that name sets which somebody is about to use, and directories of such.
const NAMING: [&str; 5] = [JOURNAL, "journal-before.json", "desired.json", "mesos.json", "jobs"];

/// What must stay, each with the reason in words that complete "it must stay: …".
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) packages: BTreeMap<PackageId, String>,
    pub(crate) generations: BTreeMap<u64, String>,
    /// Names in `helper/`.
    pub(crate) helpers: BTreeMap<String, String>,
}

impl Kept {
    fn package(&mut self, id: PackageId, why: impl Into<String>) {
        self.packages.entry(id).or_insert_with(|| why.into());
    }

    fn generation(&mut self, number: u64, why: impl Into<String>) {
        self.generations.entry(number).or_insert_with(|| why.into());
    }
}

impl Store {
    /// What must stay now. The first reason found is given; the active set comes first.
    pub(crate) fn kept(&self) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        let active = self.active_number()?;
        if let Some(number) = active {
            kept.generation(number, "it is active");
            if let Some(target) = self.rollback_choice(number)? {
                kept.generation(target.number, "it is what a rollback goes to");
            }
        }
        if let Some(running) = self.running()? {
            kept.generation(running.generation, format!("Mesos (pid {}) was started from it", running.pid));
        }
        for number in last_confirmed(&self.history()?) {
            kept.generation(number, "it is one of the last two that were confirmed");
        }
        self.keep_named(&mut kept)?;
        self.keep_used(&mut kept);
        for (number, why) in kept.generations.clone() {
            match self.generation(number) {
                Ok(generation) => {
                    let why = if active == Some(number) {
                        "it is in the active set".to_owned()
                    } else {
                        format!("it is in generation {number}, and {why}")
                    };
                    generation.set.iter().for_each(|id| kept.package(id.clone(), why.clone()));
                }
                // Named by a document of times past.
                Err(StoreError::NoGeneration(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(current) = self.top(HELPER)?.map(|helper| helper.link_target("current")).transpose()?.flatten() {
            kept.helpers.insert(current, "it is the current one".to_owned());
        }
        Ok(kept)
    }

    /// Keeps what journals, jobs and desired sets name.
    fn keep_named(&self, kept: &mut Kept) -> Result<(), StoreError> {
        let Some(state) = self.top(STATE)? else { return Ok(()) };
        for name in NAMING {
            let documents = match state.open_if_any(name) {
                Ok(Some(_)) => self.list_state(name)?.into_iter().map(|file| format!("{name}/{file}")).collect(),
                Ok(None) => continue,
                // Not a directory but the document itself.
                Err(_) => vec![name.to_owned()],
            };
            for document in documents {
                let Some(bytes) = self.read_state(&document)? else { continue };
                // One that can't be read names nothing to anybody.
                let Ok(value) = serde_json::from_slice(&bytes) else { continue };
                if name != "jobs" || is_under_way(&value) {
                    keep_in(&value, "", &format!("`state/{document}` names it"), kept);
                }
                if name == JOURNAL {
                    self.keep_attempt(&value, kept)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the generation that was made for an attempt and is not yet named by its number: whoever makes it lets go of
    /// the lock before the journal knows.
    fn keep_attempt(&self, journal: &serde_json::Value, kept: &mut Kept) -> Result<(), StoreError> {
        let set = journal.get("set").and_then(|set| PackageSet::deserialize(set).ok());
        let Some(set) = set else { return Ok(()) };
        for number in self.generations()?.into_iter().rev() {
            if self.generation(number).is_ok_and(|generation| generation.set == set) {
                kept.generation(number, "it was made for the last attempt");
                break;
            }
        }
        Ok(())
    }

    /// Keeps what live processes use. Processes of others may be closed to us; with them no path is known, and whoever
    /// runs this as somebody else than Mesos does has to know.
    fn keep_used(&self, kept: &mut Kept) {
        let mut roots = vec![self.root().as_os_str().as_bytes().to_vec()];
        if let Ok(physical) = fs::canonicalize(self.root()) {
            roots.push(physical.as_os_str().as_bytes().to_vec());
        }
        roots.dedup();
        let Ok(processes) = fs::read_dir("/proc") else { return };
        for process in processes.flatten() {
            let name = process.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            for text in traces(pid) {
                for root in &roots {
                    keep_mentioned(&text, root, pid, kept);
                }
            }
        }
    }
}

/// Whatever of a process may name a file: its program, its directory, what it has mapped, its arguments, its environment
/// and its mounts.
fn traces(pid: u32) -> Vec<Vec<u8>> {
    let links = ["exe", "cwd", "root"].into_iter().filter_map(|name| fs::read_link(format!("/proc/{pid}/{name}")).ok());
    let links = links.map(|path| path.into_os_string().as_bytes().to_vec());
    let files = ["maps", "cmdline", "environ", "mountinfo"].into_iter();
    links.chain(files.filter_map(|name| fs::read(format!("/proc/{pid}/{name}")).ok())).collect()
}

fn keep_mentioned(text: &[u8], root: &[u8], pid: u32, kept: &mut Kept) {
    let why = || format!("process {pid} uses it");
    let mut rest = text;
    while let Some(place) = find(rest, root) {
        rest = &rest[place + root.len()..];
        let mut parts = rest.split(|byte| *byte == b'/');
        // What is before the first slash belongs to the name of the root, unless it is nothing.
        if parts.next() != Some(b"") {
            continue;
        }
        let (Some(directory), Some(name)) = (parts.next(), parts.next()) else { continue };
        let end = name.iter().position(|byte| matches!(byte, 0..=b' ' | b'"' | b'\'')).unwrap_or(name.len());
        // Lists of paths are separated by colons and commas, which versions may contain: the longest that is one counts.
        let name = String::from_utf8_lossy(&name[..end]).into_owned();
        let candidates = name.match_indices([':', ',', ';']).map(|(end, _)| &name[..end]).chain([name.as_str()]);
        for name in candidates {
            match std::str::from_utf8(directory) {
                Ok(PACKAGES) => {
                    if let Ok(id) = name.parse() {
                        kept.package(id, why());
                    }
                }
                Ok(GENERATIONS) => {
                    if let Ok(number) = name.parse() {
                        kept.generation(number, why());
                    }
                }
                Ok(HELPER) => drop(kept.helpers.entry(name.to_owned()).or_insert_with(why)),
                _ => {}
            }
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    // The first byte of a path is a slash, which is rare enough to look for.
    (0..text.len()).find(|start| text[*start] == b'/' && text[*start..].starts_with(wanted))
}

/// Whether a job is not at its end.
fn is_under_way(job: &serde_json::Value) -> bool {
    job.get("state").and_then(serde_json::Value::as_str) == Some("running")
}

/// Keeps whatever in a JSON value looks like a package or the number of a generation.
fn keep_in(value: &serde_json::Value, key: &str, why: &str, kept: &mut Kept) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            if let Ok(id) = text.parse() {
                kept.package(id, why);
            }
        }
        // A journal's way is `from` a generation `to` another.
        Value::Number(number) if key.contains("generation") || matches!(key, "from" | "to") => {
            if let Some(number) = number.as_u64() {
                kept.generation(number, why);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keep_in(value, key, why, kept)),
        Value::Object(fields) => fields.iter().for_each(|(field, value)| {
            // A generation may be told as an object with a number.
            let key = if field == "number" { key } else { field };
            keep_in(value, key, why, kept);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
