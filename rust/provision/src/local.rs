//! The provider `local`: agents as processes of this machine, for the demo, for tests, and for looking around.
//!
//! A machine is a directory. Making one runs the user data in it, which boots an agent of its own port, root and work
//! directory; ending one ends every process that belongs to the directory and empties it. Its record,
//! `<directory>/<id>.json`, is written before anything is started and stays for an hour after the end, as EC2 shows
//! instances for a while. A lock on the directory puts calls one after the other.

mod processes;

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dcos_core::provider::{Answer, Call, Failure, Launch, Launched, Machine, MachineState, Reason, Request};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// How long the record of a machine that is gone stays.
const SHOWN: SignedDuration = SignedDuration::from_hours(1);

/// How long the processes of a machine may take to die.
const DYING: Duration = Duration::from_secs(20);

/// Marks the processes of a machine, in their environment.
pub(crate) const MARK: &str = "DCOS_LOCAL_MACHINE";

/// `[provider.settings]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where machines are: an absolute path.
    directory: PathBuf,
}

/// `[classes.<name>.settings]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Class {
    /// More words for `dcos-restart-helper bootstrap`, such as `--hold 2`.
    bootstrap_options: Vec<String>,
}

/// What is kept of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    cluster: String,
    token: String,
    operation: String,
    slot: usize,
    port: u16,
    made_at: Timestamp,
    ended_at: Option<Timestamp>,
}

/// Answers one request.
pub fn answer(input: &[u8]) -> Answer {
    Request::read(input).and_then(carry_out).unwrap_or_else(Answer::Failed)
}

/// Something about a file or a process did not work.
fn broke<E: std::fmt::Display>(what: &str, path: &Path) -> impl FnOnce(E) -> Failure {
    move |error| Failure::unknown(format!("{what} `{}` failed: {error}", path.display()))
}

fn carry_out(request: Request) -> Result<Answer, Failure> {
    let settings: Settings = serde_json::from_value(request.settings)
        .map_err(|error| Failure::invalid(format!("`provider.settings` can't be used: {error}")))?;
    if !settings.directory.is_absolute() {
        return Err(Failure::invalid("`provider.settings.directory` is not an absolute path"));
    }
    let yard = Yard::open(settings.directory, request.cluster)?;
    match request.call {
        Call::Check { classes } => {
            for (name, class) in classes {
                read_class(&name, class)?;
            }
            Ok(Answer::Checked)
        }
        Call::Launch(launch) => yard.launch(&launch).map(Answer::Launched),
        Call::List => yard.list().map(Answer::Machines),
        Call::Terminate { machine } => yard.terminate(&machine).map(|()| Answer::Terminated),
    }
}

fn read_class(name: &str, class: serde_json::Value) -> Result<Class, Failure> {
    let class: Class = serde_json::from_value(class)
        .map_err(|error| Failure::invalid(format!("`classes.{name}.settings` can't be used: {error}")))?;
    match class.bootstrap_options.iter().find(|word| word.contains(char::is_whitespace)) {
        Some(word) => {
            Err(Failure::invalid(format!("`classes.{name}.settings.bootstrap_options`: `{word}` has a space in it")))
        }
        None => Ok(class),
    }
}

/// The directory with the machines, locked.
struct Yard {
    directory: PathBuf,
    cluster: String,
    _lock: File,
}

#[expect(clippy::disallowed_methods, reason = "these are the machines' own directories, not a node's store")]
impl Yard {
    fn open(directory: PathBuf, cluster: String) -> Result<Self, Failure> {
        fs::create_dir_all(&directory).map_err(broke("making", &directory))?;
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(broke("opening", &path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(broke("locking", &path))?;
        Ok(Self { directory, cluster, _lock: lock })
    }

    fn record_of(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    fn records(&self) -> Result<Vec<(String, Record)>, Failure> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(broke("reading", &self.directory))? {
            let path = entry.map_err(broke("reading", &self.directory))?.path();
            let Some(id) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else { continue };
            let bytes = fs::read(&path).map_err(broke("reading", &path))?;
            let record: Record = serde_json::from_slice(&bytes).map_err(broke("reading", &path))?;
            if record.cluster == self.cluster {
                records.push((id.to_owned(), record));
            }
        }
        records.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(records)
    }

    fn keep(&self, id: &str, record: &Record) -> Result<(), Failure> {
        let (path, new) = (self.record_of(id), self.directory.join(format!("{id}.new")));
        let text = serde_json::to_vec(record).map_err(broke("writing", &path))?;
        fs::write(&new, text).map_err(broke("writing", &new))?;
        fs::rename(&new, &path).map_err(broke("writing", &path))
    }

    fn launch(&self, launch: &Launch) -> Result<Launched, Failure> {
        let class = read_class("…", launch.class.clone())?;
        if launch.choice > 0 {
            return Err(Failure { reason: Reason::NoMoreChoices, detail: "there is one choice only".to_owned() });
        }
        let records = self.records()?;
        let known = records
            .iter()
            .find(|(_, record)| record.token == launch.token)
            .map(|(id, record)| (id.clone(), record.clone()));
        let (id, record) = match known {
            Some(known) => known,
            None => self.new_record(&records, launch)?,
        };
        let place = self.directory.join(&id);
        // A record without a directory is one whose maker died in between: nothing was started yet.
        if record.ended_at.is_none() && !place.join("started").exists() {
            self.start(&id, &place, &record, &class, &launch.user_data)?;
        }
        Ok(Launched { machine: id })
    }

    fn new_record(&self, records: &[(String, Record)], launch: &Launch) -> Result<(String, Record), Failure> {
        let taken: Vec<u16> =
            records.iter().filter(|(_, record)| record.ended_at.is_none()).map(|(_, record)| record.port).collect();
        let port = free_port(&taken).ok_or_else(|| Failure::unknown("no port of this machine is free"))?;
        let record = Record {
            format: 1,
            cluster: self.cluster.clone(),
            token: launch.token.clone(),
            operation: launch.operation.clone(),
            slot: launch.slot,
            port,
            made_at: Timestamp::now(),
            ended_at: None,
        };
        let id = format!("local-{}", launch.token);
        self.keep(&id, &record)?;
        Ok((id, record))
    }

    fn start(&self, id: &str, place: &Path, record: &Record, class: &Class, user_data: &str) -> Result<(), Failure> {
        fs::create_dir_all(place).map_err(broke("making", place))?;
        let script = place.join("user-data");
        fs::write(&script, user_data).map_err(broke("writing", &script))?;
        let at = |name: &str| place.join(name).display().to_string();
        let mut options = vec![
            format!("--node={}", at("node.toml")),
            format!("--root={}", at("root")),
            format!("--work-dir={}", at("work")),
            format!("--runtime-dir={}", at("run")),
            "--ip=127.0.0.1".to_owned(),
            format!("--port={}", record.port),
            "--process".to_owned(),
        ];
        options.extend(class.bootstrap_options.iter().cloned());
        if options.iter().any(|word| word.contains(char::is_whitespace)) {
            return Err(Failure::invalid("`provider.settings.directory` has a space in it"));
        }
        let mut command = Command::new("/bin/sh");
        command.arg(&script).current_dir(place).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
            .env(MARK, id)
            .env("DCOS_BOOTSTRAP_OPTIONS", options.join(" "))
            .env("DCOS_BOOTSTRAP_LOG", at("bootstrap.log"));
        // What the script unpacks lies in the machine too, so that whatever runs from there is known by its place: the
        // helper forgets its environment, and with it the mark.
        command.env("TMPDIR", place);
        // It outlives this program, which its caller may kill with its group.
        command.process_group(0);
        let child = command.spawn().map_err(broke("starting", &script))?;
        drop(child);
        let started = place.join("started");
        fs::write(&started, b"").map_err(broke("writing", &started))
    }

    fn list(&self) -> Result<Vec<Machine>, Failure> {
        let now = Timestamp::now();
        let mut machines = Vec::new();
        for (id, record) in self.records()? {
            if record.ended_at.is_some_and(|at| now.duration_since(at) > SHOWN) {
                let path = self.record_of(&id);
                fs::remove_file(&path).map_err(broke("removing", &path))?;
                continue;
            }
            machines.push(Machine {
                id,
                state: if record.ended_at.is_some() { MachineState::Gone } else { MachineState::Running },
                token: record.token,
                operation: record.operation,
                slot: record.slot,
                address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                port: Some(record.port),
                kind: "process".to_owned(),
            });
        }
        Ok(machines)
    }

    fn terminate(&self, id: &str) -> Result<(), Failure> {
        let known = self.records()?.into_iter().find(|(other, _)| other == id);
        let Some((_, record)) = known else {
            return Err(Failure::unknown(format!("there is no machine `{id}` of cluster `{}`", self.cluster)));
        };
        let place = self.directory.join(id);
        processes::end(id, &place, DYING).map_err(broke("ending the processes of", &place))?;
        if place.exists() {
            fs::remove_dir_all(&place).map_err(broke("removing", &place))?;
        }
        if record.ended_at.is_none() {
            self.keep(id, &Record { ended_at: Some(Timestamp::now()), ..record })?;
        }
        Ok(())
    }
}

/// A port that nobody listens on and no other machine was given. It may be taken before it is used; then the agent does
/// not come up, and another machine is made.
fn free_port(taken: &[u16]) -> Option<u16> {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).ok();
    (0..100).filter_map(|_| free()).map(|address| address.port()).find(|port| !taken.contains(port))
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
