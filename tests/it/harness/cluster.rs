//! A real cluster on loopback: masters and agents from their own packages, each started by its helper, as the demo does.
//! With more than one master there is a ZooKeeper, which elects their leader, and a registry in the replicated log.
//!
//! Every process that stays in the background runs a program below the cluster's own folder, so they are found by
//! `/proc/<pid>/exe` and ended with the test, also when it fails; no other process is ever touched.

mod layout;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program::{Outcome, run};
use super::zookeeper::Ensemble;
use super::{free_ports, http, until};

/// The Mesos that the clusters start with.
pub(crate) const OLD: &str = "1.10.0";

/// The Mesos that they are upgraded to.
pub(crate) const NEW: &str = "1.11.0";

/// Lines of a log that are shown when a test fails.
const LOG_LINES: usize = 80;

/// A machine of the cluster.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: &'static str,
    pub(crate) name: String,
    pub(crate) url: String,
    folder: PathBuf,
    /// The network namespace that it lives in, if not this one.
    space: Option<String>,
}

impl Node {
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("node.toml")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn group(&self) -> String {
        format!("{}s", self.role)
    }

    /// The pid of its Mesos, with the start time that makes it unique.
    pub(crate) fn mesos(&self) -> (u64, String) {
        let text =
            std::fs::read_to_string(self.root().join("state/mesos.json")).expect("a supervised Mesos is written down");
        let state: Value = serde_json::from_str(&text).expect("state/mesos.json is JSON");
        (state["pid"].as_u64().expect("a pid"), state["start_time"].to_string())
    }

    /// Kills its Mesos; its helper starts it again.
    pub(crate) fn kill_mesos(&self) {
        let pid = i32::try_from(self.mesos().0).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("a Mesos can be killed");
    }

    /// What its Mesos answers to `/version`; empty while it does not answer.
    pub(crate) fn version(&self) -> String {
        http::json(&format!("{}/version", self.url))["version"].as_str().unwrap_or_default().to_owned()
    }

    /// How many attempts of that deployment it was told to go for.
    pub(crate) fn attempts(&self, deployment: &str) -> usize {
        let status = http::json(&format!("{}/restart/status", self.url));
        let past = status["last_attempts"].as_array().into_iter().flatten();
        let of_this = past.chain([&status["attempt"]]).filter(|attempt| {
            // One that was withdrawn before its `go` has stopped nothing.
            attempt["state"] != "cancelled"
                && attempt["attempt"].as_str().is_some_and(|it| it.starts_with(&format!("{deployment}-")))
        });
        // One that has just ended may be told of as both.
        of_this.map(|attempt| attempt["attempt"].as_str()).collect::<BTreeSet<_>>().len()
    }

    /// Its active packages, as its Mesos says.
    pub(crate) fn packages(&self) -> Vec<String> {
        let active = http::json(&format!("{}/pkg/active", self.url));
        let ids = active["packages"].as_array().cloned().unwrap_or_default();
        ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()
    }
}

/// The cluster. It is ended when dropped.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    /// The only master, or the first of them.
    pub(crate) master: Node,
    /// The other masters.
    pub(crate) others: Vec<Node>,
    pub(crate) agents: Vec<Node>,
    servers: Vec<Child>,
    /// Where the release and the site repository are served.
    urls: Vec<String>,
    pub(crate) ensemble: Option<Ensemble>,
    /// The address that the repositories are served at.
    gateway: String,
    /// Whether every Mesos of it asks for names ([`names`]).
    asks_for_names: bool,
}

impl Cluster {
    /// A master and `agents` agents on [`OLD`], all registered.
    pub(crate) fn start(agents: usize) -> Self {
        Self::of(1, agents, None, false)
    }

    /// `masters` masters under a ZooKeeper of their own, and `agents` agents on [`OLD`], all registered.
    pub(crate) fn with_masters(masters: usize, agents: usize) -> Self {
        Self::of(masters, agents, Some(Ensemble::start(1)), false)
    }

    /// A master that asks everybody for a name, and no agents: they can join by a token.
    pub(crate) fn asking_for_names() -> Self {
        http::ask_as(Some(names::ALICE));
        Self::of(1, 0, None, true)
    }

    fn of(masters: usize, agents: usize, ensemble: Option<Ensemble>, asks_for_names: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("dcos-bits-test.").tempdir().expect("a folder for the cluster");
        let ports = free_ports(masters + agents);
        let node = |role: &'static str, name: String, port: u16| Node {
            role,
            name: format!("127.0.0.1:{port}"),
            url: format!("http://127.0.0.1:{port}"),
            folder: folder.path().join(name),
            space: None,
        };
        let master = node("master", "master".to_owned(), ports[0]);
        let others = ports[1..masters]
            .iter()
            .enumerate()
            .map(|(place, port)| node("master", format!("master{}", place + 2), *port))
            .collect();
        let agents = ports[masters..]
            .iter()
            .enumerate()
            .map(|(place, port)| node("agent", format!("agent{}", place + 1), *port))
            .collect();
        let mut cluster = Self {
            folder,
            master,
            others,
            agents,
            servers: Vec::new(),
            urls: Vec::new(),
            ensemble,
            gateway: "127.0.0.1".to_owned(),
            asks_for_names,
        };
        cluster.set_up();
        cluster
    }

    /// A master and agents on [`OLD`], all registered, each in a network namespace: by the spaces' names and addresses,
    /// the master's first. `gateway` is this machine's own address among them.
    pub(crate) fn in_spaces(spaces: &[(String, String)], gateway: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("dcos-bits-test.").tempdir().expect("a folder for the cluster");
        let node = |place: usize, (space, address): &(String, String)| {
            let (role, port) = if place == 0 { ("master", 5050) } else { ("agent", 5051) };
            let name = if place == 0 { "master".to_owned() } else { format!("agent{place}") };
            Node {
                role,
                name: format!("{address}:{port}"),
                url: format!("http://{address}:{port}"),
                folder: folder.path().join(name),
                space: Some(space.clone()),
            }
        };
        let mut nodes = spaces.iter().enumerate().map(|(place, space)| node(place, space));
        let master = nodes.next().expect("the first is the master");
        let agents = nodes.collect();
        let mut cluster = Self {
            folder,
            master,
            others: Vec::new(),
            agents,
            servers: Vec::new(),
            urls: Vec::new(),
            ensemble: None,
            gateway: gateway.to_owned(),
            asks_for_names: false,
        };
        cluster.set_up();
        cluster
    }

    /// Starts a node as its machine would at boot: through the helper of its own packages.
    pub(crate) fn start_node(&self, node: &Node) {
        let packages = std::fs::read_dir(node.root().join("packages")).expect("the node has packages");
        let helpers = packages.flatten().map(|entry| entry.path().join("bin/dcos-restart-helper"));
        let helper = helpers.filter(|path| path.exists()).max().expect("one of them has a helper");
        let file = node.file();
        let start = ["start", "--node", text(&file)];
        match &node.space {
            None => run(&helper, &start, &[]),
            Some(space) => {
                let entered = ["netns", "exec", space.as_str(), text(&helper)];
                run(Path::new("ip"), &[&entered[..], &start[..]].concat(), &[])
            }
        }
        .expect(0);
    }

    /// Ends everything that runs on a node, as a power cut would.
    pub(crate) fn cut_off(&self, node: &Node) {
        until("nothing runs on the node", 10, || {
            let pids = processes_below(&node.folder);
            for pid in &pids {
                let _ = rustix::process::kill_process(*pid, rustix::process::Signal::KILL);
            }
            pids.is_empty().then_some(())
        });
    }

    /// The masters.
    pub(crate) fn masters(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.master).chain(&self.others)
    }

    /// The master that leads, once its controller is in office.
    pub(crate) fn leader(&self) -> &Node {
        until("one of the masters leads", 30, || {
            self.masters().find(|node| http::status(&format!("{}/deploy/halt", node.url)) == Some(200))
        })
    }

    /// Waits until every master can be asked for the cluster: one of them leads, and the others send callers to it.
    pub(crate) fn settle(&self) {
        until("one master leads, and the others send callers to it", 30, || {
            let urls = || self.masters().map(|node| format!("{}/deploy/halt", node.url));
            let statuses: Vec<_> = urls().map(|url| http::status(&url)).collect();
            let lead = statuses.iter().filter(|status| **status == Some(200)).count();
            let follow = statuses.iter().filter(|status| **status == Some(307)).count();
            let is_answered = |url: String| http::get(&url).is_some_and(|answer| answer.status == 200);
            (lead == 1 && lead + follow == statuses.len() && urls().all(is_answered)).then_some(())
        });
    }

    /// A file or folder of the cluster's own. What runs from below it ends with the cluster.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the release repository.
    pub(crate) fn release(&self) -> PathBuf {
        self.folder.path().join("release")
    }

    /// Where the release repository is served.
    pub(crate) fn release_url(&self) -> String {
        self.urls[0].clone()
    }

    /// Where the site repository is served.
    pub(crate) fn site_url(&self) -> String {
        self.urls[1].clone()
    }

    /// The folder of the site repository.
    pub(crate) fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    /// The masters, then the agents.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.masters().chain(&self.agents)
    }

    /// Runs `dcos` as this cluster's operator.
    pub(crate) fn dcos(&self, arguments: &[&str]) -> Outcome {
        let site = self.site();
        let mut environment =
            vec![("DCOS_URL", OsStr::new(&self.master.url)), ("DCOS_SITE_REPOSITORY", site.as_os_str())];
        let alice = self.path("alice");
        if self.asks_for_names {
            environment.push(("DCOS_CREDENTIALS", alice.as_os_str()));
        }
        run(Path::new(env!("CARGO_BIN_EXE_dcos")), arguments, &environment)
    }

    /// Starts `dcos` as this cluster's operator, without waiting for it.
    pub(crate) fn dcos_in_background(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_dcos"))
            .args(arguments)
            .env("DCOS_URL", &self.master.url)
            .env("DCOS_SITE_REPOSITORY", self.site())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`dcos` can be started")
    }

    /// Brings archives into the release repository.
    pub(crate) fn publish(&self, archives: &[PathBuf]) {
        let release = self.release();
        let mut arguments = vec!["repo", "publish", text(&release)];
        arguments.extend(archives.iter().map(|path| text(path)));
        self.quiet("dcos", &arguments);
    }

    /// The agents that the master lists as active: name to id.
    pub(crate) fn agent_ids(&self) -> BTreeMap<String, String> {
        let listed = http::json(&format!("{}/master/slaves", self.master.url));
        let agents = listed["slaves"].as_array().cloned().unwrap_or_default();
        agents
            .iter()
            .filter(|agent| agent["active"] == true)
            .map(|agent| {
                let word = |key: &str| agent[key].as_str().unwrap_or_default().to_owned();
                // `slave(1)@127.0.0.1:5051`
                (word("pid").rsplit('@').next().unwrap_or_default().to_owned(), word("id"))
            })
            .collect()
    }

    /// Waits until the master lists these agents, and no others: one that it has not heard of for seconds is away for as
    /// long as it takes to register again.
    pub(crate) fn until_listed(&self, ids: &BTreeMap<String, String>) {
        until("the master lists the same agents", 30, || (self.agent_ids() == *ids).then_some(()));
    }

    /// The sets of all nodes, by name.
    pub(crate) fn sets(&self) -> BTreeMap<String, Vec<String>> {
        self.nodes().map(|node| (node.name.clone(), node.packages())).collect()
    }

    /// The processes of every Mesos, by node.
    pub(crate) fn processes(&self) -> BTreeMap<String, (u64, String)> {
        self.nodes().map(|node| (node.name.clone(), node.mesos())).collect()
    }

    /// Runs one of the cluster's own programs, which is not what the test is about.
    fn quiet(&self, program: &str, arguments: &[&str]) -> Outcome {
        run(&self.folder.path().join("bin").join(program), arguments, &[]).expect(0)
    }

    /// The processes whose program lies below the cluster's folder.
    fn own_processes(&self) -> Vec<rustix::process::Pid> {
        processes_below(self.folder.path())
    }

    /// Shows the ends of all logs: what a failed test leaves to be read.
    fn show_logs(&self) {
        for node in self.nodes() {
            for name in ["mesos.log", "helper.log"] {
                let text = std::fs::read_to_string(node.root().join("state/log").join(name)).unwrap_or_default();
                // Somebody is asked something several times a second; that says nothing.
                let lines: Vec<&str> = text.lines().filter(|line| !line.contains(" http.cpp:")).collect();
                let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
                eprintln!("--- {} {name}\n{}", node.name, end.join("\n"));
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        // A helper may start its Mesos again meanwhile, so until nothing is left.
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            for server in &mut self.servers {
                let _ = server.kill();
                let _ = server.wait();
            }
            let pids = self.own_processes();
            if pids.is_empty() {
                break;
            }
            let signal =
                if Instant::now() < deadline { rustix::process::Signal::TERM } else { rustix::process::Signal::KILL };
            for pid in pids {
                let _ = rustix::process::kill_process(pid, signal);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        make_writable(self.folder.path());
        http::ask_as(None);
    }
}

/// The processes whose program lies below `folder`.
fn processes_below(folder: &Path) -> Vec<rustix::process::Pid> {
    let Ok(folder) = folder.canonicalize() else { return Vec::new() };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let program = std::fs::read_link(entry.path().join("exe")).ok()?;
        program.starts_with(&folder).then(|| rustix::process::Pid::from_raw(pid)).flatten()
    });
    pids.collect()
}

/// Packages are read-only, their folders as well; the temporary folder is removed after this.
fn make_writable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}
