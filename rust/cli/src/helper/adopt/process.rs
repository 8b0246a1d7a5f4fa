//! A Mesos that runs already: which process it is, how it was started, and what it says of itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use dcos_core::{ExitCode, Problem, Role};
use dcos_restart::host;
use serde_json::Value;

use crate::client::Client;

/// A process that is a Mesos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pid: u32,
    pub(super) start_time: u64,
    pub(super) role: Role,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) directory: PathBuf,
}

/// What it says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Every flag that has a value, defaults included.
    pub(super) flags: BTreeMap<String, String>,
    pub(super) version: String,
    /// The name that it advertises.
    pub(super) hostname: String,
    /// The address that it advertises.
    pub(super) address: Option<SocketAddr>,
    /// The id that it is registered under.
    pub(super) agent_id: Option<String>,
}

/// The Mesos that is meant: of that number, or the only one that runs and is not ours.
pub(super) fn find(pid: Option<u32>, root: &Path) -> Result<Found, Problem> {
    if let Some(pid) = pid {
        return read(pid).ok_or_else(|| {
            let detail = format!("process {pid} is no Mesos that can be looked into");
            Problem::new(ExitCode::NotFound, "no-mesos", detail).hint("it must be a `mesos-agent` or `mesos-master`")
        });
    }
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<Found> = pids.filter_map(read).filter(|found| !found.program.starts_with(&root)).collect();
    match (found.pop(), found.as_slice()) {
        (Some(found), []) => Ok(found),
        (None, _) => Err(Problem::new(ExitCode::NotFound, "no-mesos", "no Mesos runs on this machine")
            .hint("`bootstrap` makes a node of a machine without one")),
        (Some(last), others) => {
            let all: Vec<String> = others.iter().chain([&last]).map(|found| found.pid.to_string()).collect();
            let detail = format!("several Mesos run on this machine: processes {}", all.join(", "));
            Err(Problem::new(ExitCode::Usage, "which-mesos", detail).hint("`--pid` says which one is meant"))
        }
    }
}

fn read(pid: u32) -> Option<Found> {
    let place = PathBuf::from(format!("/proc/{pid}"));
    let start_time = host::start_time(pid)?;
    let program = std::fs::read_link(place.join("exe")).ok()?;
    let role = role_of(program.file_name()?.to_str()?)?;
    let words = split(&std::fs::read(place.join("cmdline")).ok()?);
    let arguments = words.into_iter().skip(1).map(|word| String::from_utf8(word).ok()).collect::<Option<_>>()?;
    // A variable that is no text means nothing to Mesos.
    let variables = split(&std::fs::read(place.join("environ")).ok()?).into_iter();
    let environment = variables
        .filter_map(|variable| String::from_utf8(variable).ok())
        .filter_map(|variable| variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    let directory = std::fs::read_link(place.join("cwd")).ok()?;
    // It is still the same process: what was read belongs together.
    (host::start_time(pid) == Some(start_time)).then_some(Found {
        pid,
        start_time,
        role,
        program,
        arguments,
        environment,
        directory,
    })
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() { Vec::new() } else { bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect() }
}

/// What a program of that name is. `lt-` is how libtool calls what was built and not installed.
fn role_of(name: &str) -> Option<Role> {
    match name.strip_prefix("lt-").unwrap_or(name) {
        "mesos-agent" | "mesos-slave" => Some(Role::Agent),
        "mesos-master" => Some(Role::Master),
        _ => None,
    }
}

/// The unit that would start it again as soon as we stop it, if a service manager keeps it.
pub(super) fn keeper(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    service_of(&text)
}

fn service_of(cgroup: &str) -> Option<String> {
    // `0::/system.slice/mesos-slave.service`; what a person started lies in a session's scope.
    let path = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find(|path| path.contains(".service"))?;
    let name = path.split('/').rev().find(|part| part.ends_with(".service"))?;
    let of_a_person = name.starts_with("user@") || path.contains(".scope");
    (!of_a_person).then(|| name.to_owned())
}

/// Asks it what it is.
pub(super) fn ask(found: &Found) -> Result<Answers, Problem> {
    let runtime = crate::pkg::runtime()?;
    let mut last = None;
    for address in listening(found.pid) {
        match runtime.block_on(ask_at(found.role, address)) {
            Ok(answers) => return Ok(answers),
            Err(problem) => last = Some(problem),
        }
    }
    let why = last.map_or_else(|| "it listens nowhere".to_owned(), |problem| problem.detail);
    let detail = format!("process {} can't be asked how it is configured: {why}", found.pid);
    Err(Problem::new(ExitCode::Unreachable, "mesos-does-not-answer", detail)
        .hint("an agent must have recovered, and must let callers without a principal read `/flags` and its state"))
}

async fn ask_at(role: Role, address: SocketAddr) -> Result<Answers, Problem> {
    let client = Client::new(&format!("http://{address}"))?;
    let state = match role {
        Role::Agent => "/slave(1)/state",
        Role::Master => "/master/state",
    };
    let (flags, version, state): (Value, Value, Value) =
        (client.get("/flags").await?, client.get("/version").await?, client.get(state).await?);
    Ok(answers(role, &flags, &version, &state))
}

fn answers(role: Role, flags: &Value, version: &Value, state: &Value) -> Answers {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = flags["flags"].as_object().into_iter().flatten();
    Answers {
        flags: all.map(|(name, value)| (name.clone(), text(value))).collect(),
        version: text(&version["version"]),
        hostname: text(&state["hostname"]),
        // `slave(1)@10.0.0.5:5051`
        address: state["pid"].as_str().and_then(|pid| pid.rsplit_once('@')?.1.parse().ok()),
        agent_id: state["id"].as_str().filter(|id| role == Role::Agent && !id.is_empty()).map(str::to_owned),
    }
}

/// Where a process listens, as `/proc` shows it; one that listens everywhere is asked on loopback.
fn listening(pid: u32) -> Vec<SocketAddr> {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok()?.into_os_string().into_vec().try_into_text())
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    listeners(&table, &sockets)
}

trait Text {
    fn try_into_text(self) -> Option<String>;
}

impl Text for Vec<u8> {
    fn try_into_text(self) -> Option<String> {
        String::from_utf8(self).ok()
    }
}

/// The listening sockets of a table of `/proc/net/tcp` that are among `sockets`, by inode.
fn listeners(table: &str, sockets: &[String]) -> Vec<SocketAddr> {
    const LISTEN: &str = "0A";
    let mut found = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(local), Some(&LISTEN), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9)) else { continue };
        let Some((address, port)) = local.split_once(':') else { continue };
        let (Ok(address), Ok(port)) = (u32::from_str_radix(address, 16), u16::from_str_radix(port, 16)) else {
            continue;
        };
        if sockets.iter().any(|socket| socket == inode) {
            // The kernel prints the address as a number in this machine's order.
            let ip = Ipv4Addr::from(address.to_ne_bytes());
            let ip = if ip.is_unspecified() { Ipv4Addr::LOCALHOST } else { ip };
            found.push(SocketAddr::new(IpAddr::V4(ip), port));
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{answers, listeners, listening, role_of, service_of};
    use dcos_core::Role;
    use serde_json::json;

    #[test]
    fn a_program_is_known_by_its_name() {
        assert_eq!(role_of("mesos-slave"), Some(Role::Agent));
        assert_eq!(role_of("lt-mesos-master"), Some(Role::Master));
        assert_eq!(role_of("mesos-executor"), None);
    }

    #[test]
    fn who_would_start_it_again_is_seen() {
        assert_eq!(service_of("0::/system.slice/mesos-slave.service\n").as_deref(), Some("mesos-slave.service"));
        assert_eq!(service_of("0::/user.slice/user-0.slice/session-3.scope\n"), None);
        assert_eq!(service_of("0::/user.slice/user-0.slice/user@0.service/app.slice/x.scope\n"), None);
        assert_eq!(service_of("0::/\n"), None);
    }

    #[test]
    fn sockets_are_found_by_their_inode() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:13BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1 0 100 0 0 10 0\n\
             1: 00000000:13BC 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 78 1 0 100 0 0 10 0\n\
             2: 0100007F:13BD 0100007F:0001 01 00000000:00000000 00:00000000 00000000 0 0 79 1 0 100 0 0 10 0\n";
        let sockets = ["77", "78", "79"].map(str::to_owned);
        let found: Vec<String> = listeners(table, &sockets).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.1:5051", "127.0.0.1:5052"]);
        assert!(listeners(table, &[]).is_empty());
    }

    #[test]
    fn our_own_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listening(std::process::id()).contains(&listener.local_addr().unwrap()));
    }

    #[test]
    fn an_agent_says_what_it_is() {
        let answers = answers(
            Role::Agent,
            &json!({"flags": {"work_dir": "/w", "port": "5051"}}),
            &json!({"version": "1.10.0"}),
            &json!({"id": "S0", "hostname": "five", "pid": "slave(1)@10.0.0.5:5051"}),
        );
        assert_eq!((answers.version.as_str(), answers.hostname.as_str()), ("1.10.0", "five"));
        assert_eq!(answers.address.unwrap().to_string(), "10.0.0.5:5051");
        assert_eq!(answers.agent_id.as_deref(), Some("S0"));
        assert_eq!(answers.flags["work_dir"], "/w");
    }
}
