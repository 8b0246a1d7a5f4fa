//! A real cluster on loopback: masters and agents from their own packages, each started by its helper, as the demo does.
//! With more than one master there is a ZooKeeper, which elects their leader, and a registry in the replicated log.
//!
//! Every process that stays in the background runs a program below the cluster's own folder, so they are found by
//! `/proc/<pid>/exe` and ended with the test, also when it fails; no other process is ever touched.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::program::{Outcome, run};
use super::zookeeper::Ensemble;
use super::{archive, free_ports, http, id, until};

/// The Mesos that the clusters start with.
pub(crate) const OLD: &str = "1.10.0";

/// The Mesos that they are upgraded to.
pub(crate) const NEW: &str = "1.11.0";

/// Lines of a log that are shown when a test fails.
const LOG_LINES: usize = 40;

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

    /// What its Mesos answers to `/version`; empty while it does not answer.
    pub(crate) fn version(&self) -> String {
        http::json(&format!("{}/version", self.url))["version"].as_str().unwrap_or_default().to_owned()
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
}

impl Cluster {
    /// A master and `agents` agents on [`OLD`], all registered.
    pub(crate) fn start(agents: usize) -> Self {
        Self::of(1, agents, None)
    }

    /// `masters` masters under a ZooKeeper of their own, and `agents` agents on [`OLD`], all registered.
    pub(crate) fn with_masters(masters: usize, agents: usize) -> Self {
        Self::of(masters, agents, Some(Ensemble::start(1)))
    }

    fn of(masters: usize, agents: usize, ensemble: Option<Ensemble>) -> Self {
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
        };
        cluster.set_up();
        cluster
    }

    fn set_up(&mut self) {
        let programs = self.folder.path().join("bin");
        std::fs::create_dir(&programs).expect("a folder for programs");
        for name in ["dcos", "dcos-pkg"] {
            std::fs::copy(super::target().join("release").join(name), programs.join(name))
                .unwrap_or_else(|error| panic!("can't copy `{name}` ({error}): run `scripts/build`"));
        }
        for repository in [self.release(), self.site()] {
            self.quiet("dcos", &["repo", "init", text(&repository)]);
        }
        let both: Vec<PathBuf> = [OLD, NEW]
            .into_iter()
            .flat_map(|mesos| {
                let bound = format!("+mesos{mesos}");
                [
                    archive(&format!("mesos--{mesos}"), ""),
                    archive("dcos-bits--", &bound),
                    archive("fizzbuzz--1.2.0", &bound),
                ]
            })
            .collect();
        self.publish(&both);
        let urls: Vec<String> = [self.release(), self.site()].iter().map(|folder| self.serve(folder)).collect();
        self.urls.clone_from(&urls);
        let mut configs = BTreeMap::new();
        for node in self.nodes() {
            let config = configs.entry(node.group()).or_insert_with(|| self.generate_config(node)).clone();
            self.prepare(node, &urls, &[id(&both[0]), id(&both[1]), config]);
            self.start_node(node);
        }
        if self.ensemble.is_some() {
            // Until then a master that is lost is one too many for the replicated log.
            until("every master has its part of the replicated log", 30, || {
                let recovered = |node: &Node| {
                    http::json(&format!("{}/metrics/snapshot", node.url))["registrar/log/recovered"] == 1.0
                };
                self.masters().all(recovered).then_some(())
            });
        }
        until("the master lists every agent", 30, || (self.agent_ids().len() == self.agents.len()).then_some(()));
        until("every node answers /pkg/active", 30, || {
            self.nodes().all(|node| !node.packages().is_empty()).then_some(())
        });
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
        let environment = [("DCOS_URL", OsStr::new(&self.master.url)), ("DCOS_SITE_REPOSITORY", site.as_os_str())];
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

    fn serve(&mut self, folder: &Path) -> String {
        let mut server = Command::new(self.folder.path().join("bin/dcos"))
            .args(["repo", "serve", text(folder), "--listen", &format!("{}:0", self.gateway)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`dcos repo serve` can be started");
        let mut url = String::new();
        let stdout = server.stdout.take().expect("its stdout is ours");
        BufReader::new(stdout).read_line(&mut url).expect("it says where it listens");
        self.servers.push(server);
        assert!(url.starts_with("http://"), "`dcos repo serve` said `{url}`");
        url.trim().to_owned()
    }

    /// Generates and publishes the config of a node's group; answers its id.
    fn generate_config(&self, node: &Node) -> String {
        let flags = match node.role {
            "master" if self.ensemble.is_some() => json!({
                "registry": "replicated_log",
                "quorum": self.others.len().div_ceil(2) + 1,
                "zk_session_timeout": "2secs",
            }),
            // Without ZooKeeper an agent learns only by missing pings that its master was restarted.
            "master" => json!({"registry": "in_memory", "agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "3"}),
            _ => json!({
                "launcher": "posix",
                "isolation": "posix/cpu,posix/mem",
                "systemd_enable_support": "false",
                "resources": "cpus:1;mem:256;disk:100",
                "registration_backoff_factor": "10ms",
            }),
        };
        let options = json!({
            "format": 1, "role": node.role, "group": node.group(), "modules": ["dcos-bits"], "flags": flags, "parameters": {},
        });
        let file = self.folder.path().join(format!("{}.json", node.group()));
        std::fs::write(&file, options.to_string()).expect("the options can be written");
        let (release, site) = (self.release(), self.site());
        let arguments = [
            "--json",
            "config",
            "generate",
            "--options",
            text(&file),
            "--repository",
            text(&release),
            "--output",
            text(self.folder.path()),
        ];
        let made = self.quiet("dcos", &arguments).json();
        self.quiet("dcos", &["repo", "publish", text(&site), made["output"].as_str().expect("a file")]);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Writes the node's file, fetches its first packages, and activates them.
    fn prepare(&self, node: &Node, urls: &[String], packages: &[String]) {
        std::fs::create_dir(&node.folder).expect("a folder for the node");
        let (ip, port) = node.name.rsplit_once(':').expect("a node's name is host:port");
        let master = match (&self.ensemble, node.role) {
            (Some(ensemble), _) => format!("zk = \"{}\"", ensemble.address("/mesos")),
            (None, "agent") => format!("master = \"{}\"", self.master.name),
            (None, _) => String::new(),
        };
        let masters: Vec<String> = self.masters().map(|node| format!("\"{}\"", node.url)).collect();
        let folder = node.folder.display();
        let file = format!(
            r#"
root = "{folder}/root"
role = "{}"
group = "{}"
[mesos]
ip = "{ip}"
port = {port}
work_dir = "{folder}/work"
runtime_dir = "{folder}/run"
{master}
[repositories]
release.url = "{}"
site.url = "{}"
[deploy]
masters = [{}]
[supervisor]
kind = "process"
[health]
hold = 4.0
[limits]
insecure_allow_anonymous = true
anonymous_reader = true
"#,
            node.role,
            node.group(),
            urls[0],
            urls[1],
            masters.join(", ")
        );
        std::fs::write(node.file(), file).expect("the node's file can be written");
        let path = node.file();
        for verb in ["fetch", "activate"] {
            let mut arguments = vec!["--node", text(&path), verb];
            arguments.extend(packages.iter().map(String::as_str));
            self.quiet("dcos-pkg", &arguments);
        }
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
                let lines: Vec<&str> = text.lines().collect();
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
