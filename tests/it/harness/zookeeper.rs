//! A real ZooKeeper on loopback: one server, or an ensemble whose servers are killed and started again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{free_ports, until};

/// Debian's package has it here; its manifest names what else is needed.
const LIBRARY: &str = "/usr/share/java/zookeeper.jar";

/// How long the ensemble may take to serve: a JVM on a busy machine.
const SERVES_WITHIN: u64 = 40;

/// A server.
#[derive(Debug)]
struct Server {
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

/// The servers. They are ended when dropped.
#[derive(Debug)]
pub(crate) struct Ensemble {
    _folder: tempfile::TempDir,
    servers: Vec<Server>,
}

impl Ensemble {
    /// `count` servers that serve.
    pub(crate) fn start(count: usize) -> Self {
        assert!(
            Path::new(LIBRARY).exists(),
            "there is no ZooKeeper: apt-get install --no-install-recommends zookeeper"
        );
        let folder = tempfile::Builder::new().prefix("dcos-bits-zookeeper.").tempdir().expect("a folder for ZooKeeper");
        let ports = free_ports(3 * count);
        let peers: Vec<String> = (0..count)
            .map(|place| format!("server.{}=127.0.0.1:{}:{}", place + 1, ports[3 * place + 1], ports[3 * place + 2]))
            .collect();
        let servers = (0..count).map(|place| {
            let own = folder.path().join(format!("server{}", place + 1));
            let port = ports[3 * place];
            std::fs::create_dir_all(own.join("data")).expect("a folder for the server");
            std::fs::write(own.join("data/myid"), format!("{}", place + 1)).expect("its number can be written");
            let peers = if count > 1 { peers.join("\n") } else { String::new() };
            let settings = format!(
                "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=500\ninitLimit=20\nsyncLimit=10\n\
                 admin.enableServer=false\n4lw.commands.whitelist=srvr\nforceSync=no\n{peers}\n",
                own.join("data").display()
            );
            std::fs::write(own.join("zoo.cfg"), settings).expect("its settings can be written");
            Server { folder: own, port, process: None }
        });
        let mut ensemble = Self { servers: servers.collect(), _folder: folder };
        (0..count).for_each(|place| ensemble.run(place));
        ensemble.wait();
        ensemble
    }

    /// Waits until every server that runs serves.
    pub(crate) fn wait(&self) {
        for server in self.servers.iter().filter(|server| server.process.is_some()) {
            until("a server of ZooKeeper serves", SERVES_WITHIN, || mode(server.port));
        }
    }

    /// Starts a server.
    pub(crate) fn run(&mut self, place: usize) {
        let server = &mut self.servers[place];
        let log = std::fs::File::create(server.folder.join("log")).expect("its log can be written");
        let process = Command::new("java")
            .args(["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", LIBRARY])
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(server.folder.join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("can't start java ({error}): apt-get install default-jre-headless"));
        server.process = Some(process);
    }

    /// Ends a server as a power cut would.
    pub(crate) fn kill(&mut self, place: usize) {
        if let Some(mut process) = self.servers[place].process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// The server that leads the others.
    pub(crate) fn leader(&self) -> usize {
        let leads = |server: &Server| mode(server.port).is_some_and(|mode| mode == "leader");
        until("the ensemble has a leader", SERVES_WITHIN, || self.servers.iter().position(leads))
    }

    /// `host:port,…` of all servers.
    pub(crate) fn servers(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        servers.join(",")
    }

    /// The address of a znode, as Mesos takes it.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("zk://{}{path}", self.servers())
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        (0..self.servers.len()).for_each(|place| self.kill(place));
    }
}

/// Whether a server is a `leader`, a `follower` or `standalone`; nothing while it does not serve.
fn mode(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"srvr").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
}
