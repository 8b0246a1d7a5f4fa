"""A cluster on loopback: one directory, free ports, two repositories, one master and some agents as ordinary processes."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import processes
from show import Failed, get, quiet, until

MARK = "dcos-bits-demo"

# What Mesos needs to run as an ordinary process, without a service of the system and beside others of its kind. Without
# ZooKeeper an agent learns only by missing pings that its master was restarted: three of them, a second apart, and not
# Mesos's own 75 s.
MASTER_FLAGS = {"registry": "in_memory", "agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "3"}
# Of several masters: each has a part of the registry, and a dead one is missed after two seconds in place of ten.
MASTERS_FLAGS = {"registry": "replicated_log", "zk_session_timeout": "2secs"}
AGENT_FLAGS = {
    "launcher": "posix",
    "isolation": "posix/cpu,posix/mem",
    "systemd_enable_support": "false",
    "resources": "cpus:1;mem:256;disk:100",
    "registration_backoff_factor": "10ms",
    # How long an agent that comes back waits for the executors of its tasks, however quick they are.
    "executor_reregistration_timeout": "500ms",
}

# Debian's package has it here; its manifest names what else is needed.
ZOOKEEPER = Path("/usr/share/java/zookeeper.jar")

ZOO_CFG = """\
dataDir={data}
clientPort={port}
clientPortAddress=127.0.0.1
tickTime=500
admin.enableServer=false
4lw.commands.whitelist=srvr
"""

NODE_TOML = """\
root = "{root}"
role = "{role}"
group = "{group}"

[mesos]
ip = "127.0.0.1"
port = {port}
work_dir = "{work}"
runtime_dir = "{run}"
{master}
[repositories.release]
url = "{release}"

[repositories.site]
url = "{site}"

[deploy]
masters = [{masters}]

[supervisor]
kind = "process"

# The default is 45 s; here a short film is wanted.
[health]
hold = 5.0

# Loopback only: whoever reaches these ports may change the nodes.
[limits]
insecure_allow_anonymous = true
anonymous_reader = true
"""


# Agents that the masters can make by themselves: here they are processes of this machine.
PROVISION_TOML = """\
cluster = "demo"

[provider]
name = "local"
program = "dcos-provider-local"
settings = {{ directory = "{machines}" }}

[bootstrap]
masters = [{masters}]
package = {{ url = "{release}/packages/dcos-bits/{package}", sha256 = "{digest}" }}

[classes.small]
group = "agents"
settings = {{ bootstrap_options = ["--hold=2"] }}
"""


def free_ports(count):
    """Ports of loopback that nobody listens on: all held at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Node:
    """A machine of the cluster: a directory with a node file and a store."""

    def __init__(self, directory, role, port):
        self.directory, self.role, self.port = directory, role, port
        self.group = f"{role}s"
        self.name = f"127.0.0.1:{port}"
        self.url = f"http://{self.name}"
        self.file = directory / "node.toml"
        self.root = directory / "root"

    def mesos(self):
        """The pid and start time of its Mesos, as its supervisor wrote them down."""
        pid = json.loads((self.root / "state" / "mesos.json").read_text())["pid"]
        return pid, processes.start_time(pid)

    def version(self):
        """The version that its Mesos says it is; `None` while it does not answer."""
        return (get(f"{self.url}/version") or {}).get("version")

    def packages(self):
        """The active set, as the package manager inside its Mesos says."""
        return (get(f"{self.url}/pkg/active") or {}).get("packages", [])

    def log(self):
        """The file with what its Mesos prints."""
        return self.root / "state" / "log" / "mesos.log"


class Cluster:
    """The directory, the repositories and the nodes."""

    def __init__(self, directory, programs, agents=3, masters=1):
        self.directory = directory
        (directory / MARK).touch()
        self.programs = directory / "bin"
        self.programs.mkdir()
        for name in ("dcos", "dcos-pkg"):
            shutil.copy2(programs / name, self.programs / name)
        ports = free_ports(masters + agents)
        names = ["master", *(f"master{place}" for place in range(2, masters + 1))]
        self.masters = [Node(directory / name, "master", port) for name, port in zip(names, ports)]
        self.master = self.masters[0]
        self.agents = [Node(directory / f"agent{place}", "agent", port) for place, port in enumerate(ports[masters:], 1)]
        self.nodes = [*self.masters, *self.agents]
        self.zookeeper = self._zookeeper() if masters > 1 else None
        self.release, self.site = directory / "release", directory / "site"
        self.provisioning, self.machines = directory / "provision.toml", directory / "machines"
        self.release_url = self.site_url = self.tasks = None

    def dcos(self):
        """The path of the operator's program."""
        return str(self.programs / "dcos")

    def serve(self):
        """Serves both repositories, as any web server would."""
        self.release_url, self.site_url = self._serve(self.release), self._serve(self.site)

    def _serve(self, folder):
        quiet(self.dcos(), "repo", "init", str(folder))
        log = open(self.directory / f"{folder.name}.log", "wb")
        server = subprocess.Popen(
            [self.dcos(), "repo", "serve", str(folder), "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True,
        )
        # The server says where it listens, since it chose the port.
        url = server.stdout.readline().strip()
        if not url.startswith("http://"):
            raise Failed(f"`dcos repo serve {folder}` said `{url}` instead of its URL")
        return url

    def _zookeeper(self):
        """Starts the ZooKeeper that several masters elect their leader by; answers the address of their znode."""
        if not ZOOKEEPER.exists():
            raise Failed("several masters need ZooKeeper: apt-get install --no-install-recommends zookeeper")
        folder = self.directory / "zookeeper"
        folder.mkdir()
        [port] = free_ports(1)
        (folder / "zoo.cfg").write_text(ZOO_CFG.format(data=folder / "data", port=port))
        subprocess.Popen(
            ["java", "-Xmx64m", "-XX:+UseSerialGC", "-cp", str(ZOOKEEPER),
             "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(folder / "zoo.cfg")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.directory / "zookeeper.log", "wb"),
            start_new_session=True, env={"PATH": os.environ["PATH"], processes.MARK: str(self.directory.resolve())},
        )

        def serves():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                    connection.sendall(b"srvr")
                    return b"Mode: " in connection.makefile("rb").read()
            except OSError:
                return False

        until("ZooKeeper serves", serves)
        return f"zk://127.0.0.1:{port}/mesos"

    def leader(self):
        """The master that leads, once its controller decides: the others send whoever asks to it."""
        def leads(node):
            answer = urllib.request.urlopen(f"{node.url}/deploy/halt", timeout=5)
            return answer.status == 200 and answer.url.startswith(node.url)

        def find():
            for node in self.masters:
                try:
                    if leads(node):
                        return node
                except OSError:
                    continue
            return None

        return until("one of the masters leads", find)

    def publish(self, *archives):
        """Puts release archives into the repository."""
        quiet(self.dcos(), "repo", "publish", str(self.release), *map(str, archives))

    def config(self, node):
        """Generates and publishes the config of a node's group; answers the package's id."""
        flags = MASTER_FLAGS if node.role == "master" else AGENT_FLAGS
        if node.role == "master" and self.zookeeper:
            flags = {**MASTERS_FLAGS, "quorum": len(self.masters) // 2 + 1}
        options = self.directory / f"{node.group}.json"
        options.write_text(json.dumps({
            "format": 1, "role": node.role, "group": node.group, "modules": ["dcos-bits"], "flags": flags,
            "parameters": {},
        }))
        made = json.loads(quiet(self.dcos(), "--json", "config", "generate", "--options", str(options),
                                "--repository", str(self.release), "--output", str(self.directory)))
        quiet(self.dcos(), "repo", "publish", str(self.site), made["output"])
        return made["id"]

    def provision(self, package):
        """Writes what the masters need to make agents: whence, and the package of ours that a new machine begins with."""
        self.machines.mkdir()
        self.provisioning.write_text(PROVISION_TOML.format(
            machines=self.machines, masters=self._master_urls(), release=self.release_url.rstrip("/"),
            package=package.name, digest=hashlib.sha256(package.read_bytes()).hexdigest(),
        ))

    def _master_urls(self):
        return ", ".join(f'"{each.url}"' for each in self.masters)

    def prepare(self, node, packages):
        """Writes the node's file, fetches its first packages from the repositories, and activates them."""
        node.directory.mkdir()
        if self.zookeeper:
            finds = f'zk = "{self.zookeeper}"\n'
        else:
            finds = "" if node.role == "master" else f'master = "{self.master.name}"\n'
        node.file.write_text(NODE_TOML.format(
            root=node.root, role=node.role, group=node.group, port=node.port,
            work=node.directory / "work", run=node.directory / "run",
            master=finds, release=self.release_url, site=self.site_url,
            masters=self._master_urls(),
        ))
        if node.role == "master" and self.provisioning.exists():
            with open(node.file, "a") as file:
                file.write(f'\n[provision]\nconfig = "{self.provisioning}"\n')
        pkg = str(self.programs / "dcos-pkg")
        quiet(pkg, "--node", str(node.file), "fetch", *packages)
        quiet(pkg, "--node", str(node.file), "activate", *packages)

    def start(self, node):
        """Starts the node as its machine would at boot: through the helper of its own packages."""
        helpers = sorted(node.root.glob("packages/dcos-bits--*/bin/dcos-restart-helper"))
        quiet(str(helpers[-1]), "start", "--node", str(node.file))

    def has_no_machines(self):
        """Whether nothing runs of the machines that the masters made, and none of them has a file."""
        return not processes.of(self.machines) and not any(path.is_dir() for path in self.machines.iterdir())

    def agent_ids(self):
        """The ids of the agents that the master lists as active, by node."""
        listed = (get(f"{self.master.url}/master/slaves") or {}).get("slaves", [])
        return {agent["pid"].partition("@")[2]: agent["id"] for agent in listed if agent["active"]}

    def wait_until_all_run(self):
        """Waits until the master lists every agent."""
        until("the master lists every agent as active", lambda: len(self.agent_ids()) == len(self.agents))

    def save_logs(self, folder):
        """Copies what tells why something went wrong: it outlives the cluster."""
        for path in self.directory.glob("*.log"):
            shutil.copy(path, folder)
        for node in self.nodes:
            for part in ("state", "node.toml"):
                found = node.root / part if part == "state" else node.file
                target = folder / node.directory.name / part
                if found.is_dir():
                    shutil.copytree(found, target, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
                elif found.is_file():
                    target.parent.mkdir(exist_ok=True)
                    shutil.copy(found, target)


def remove(directory):
    """Ends every process of the cluster in `directory`, and removes it."""
    processes.end(directory)
    # Packages are read-only, their folders as well.
    for folder, _, _ in os.walk(directory):
        os.chmod(folder, 0o700)
    shutil.rmtree(directory)
