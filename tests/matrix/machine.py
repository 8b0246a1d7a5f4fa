"""A machine of the matrix: a disk, a namespace of processes that can be lost as a whole, a real master, a real agent.

The disk is an ext4 file system of its own with the store and the work directory. To lose the host is to cut the disk off
(EXT4_IOC_SHUTDOWN: whatever was not synced is gone), to kill every process at once, and to boot: the disk is mounted
anew, the kernel's boot id is another one, and what an init system would start is started. The master runs elsewhere.
"""

import fcntl
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
import uuid

from journal import Watcher, step_of
from packages import HERE, Broken, call, dcos_bits
from ways import HOME, NEW, OLD, WAYS

SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, struct.pack("I", 2)
GROUPS = "/sys/fs/cgroup"

# How many processes and threads a machine may have: what a fork bomb runs into. One has about eighty.
MOST_PROCESSES = 400
# The memory that is left to who enters the group of the small memory.
SMALL_MEMORY = 64 << 20

MASTER = {
    "MESOS_IP": "127.0.0.1",
    "MESOS_REGISTRY": "in_memory",
    "MESOS_AGENT_PING_TIMEOUT": "2secs",
    "MESOS_MAX_AGENT_PING_TIMEOUTS": "5",
    "LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT": "",
}

NODE = """\
root = "{home}/root"
role = "agent"
group = "agents"

[mesos]
ip = "127.0.0.1"
port = {port}
work_dir = "{home}/work"
runtime_dir = "{home}/run"
master = "127.0.0.1:{master}"

[deploy]
masters = [{masters}]
allowed_origins = []

[supervisor]
kind = "{supervisor}"
{health}
[limits]
insecure_allow_anonymous = true
anonymous_reader = true
"""

HEALTH = """
[health]
hold = {way.hold:.1f}
answer_deadline = {way.answer:.1f}
register_deadline = {way.register:.1f}
stop_deadline = {way.stop:.1f}
"""

# Whatever runs so ends when the thread that started it does, even if the whole run is killed.
WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")

# The first process of a machine. It reaps whoever is left to it, as an init does.
INIT = f"""
echo $$ >"$2/pids/cgroup.procs"
exec unshare --pid --mount --fork --kill-child --mount-proc --propagation slave -- bash -c '
mount --bind "$0/fs" {HOME} && mount --bind "$0/boot_id" /proc/sys/kernel/random/boot_id &&
mount --bind "$1/memory" /media && touch "$0/up" || exit 1
sleep infinity &
while :; do wait; done' "$1" "$2"
"""


def until(what, condition, seconds=30.0):
    """Waits for `condition()` to be true, and answers its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Broken(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.05)
    return value


def get(port, path):
    """The JSON that a port of loopback answers; `None` while nobody answers with any."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError, OSError):
        return None


def free_port():
    """A port below those that the kernel gives to whoever connects: nobody takes it while Mesos is away."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Machine:
    """One machine. It is reused from cell to cell, as real ones are, and thrown away after a violation."""

    supervisor = "process"

    def __init__(self, number, template, trees):
        self.template, self.trees = template, trees
        self.name = f"dcos-matrix-{os.getpid()}-{number}"
        self.folder = HERE / "machines" / str(number)
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "fs").mkdir(parents=True)
        (self.folder / "groups").mkdir()
        self.port, self.master_port = free_port(), free_port()
        self.loop = self.init = self.leader = self.master = self.watcher = None
        self.node_text = None
        self.reached = lambda step, pid: True
        self.number, self.restarts, self.agent_id = 0, 0, None

    # The disk.

    @property
    def disk(self):
        """The machine's files, seen from outside."""
        return self.folder / "fs"

    @property
    def state(self):
        return self.disk / "root" / "state"

    def _mount(self):
        self.loop = call("losetup", "--find", "--show", self.folder / "disk.img").strip()
        call("mount", "-o", "noatime", self.loop, self.disk)
        self.state.mkdir(exist_ok=True)
        self.watcher = Watcher(self.state, lambda step, pid: self.reached(step, pid))

    def _unmount(self):
        if self.watcher:
            self.watcher.close()
            self.watcher = None
        if self.loop:
            until(f"`{self.disk}` can be unmounted", lambda: subprocess.run(
                ["umount", self.disk], stderr=subprocess.DEVNULL, check=False).returncode == 0, 20)
            subprocess.run(["losetup", "--detach", self.loop], stderr=subprocess.DEVNULL, check=False)
            # Somebody who still holds the old device would write to the disk behind the back of the new one.
            until(f"`{self.loop}` is given back", lambda: self.loop not in call(
                "losetup", "--noheadings", "--output", "NAME", "--associated", self.folder / "disk.img").split(), 20)
            self.loop = None

    # Processes.

    def set_up(self):
        """From a copy of the template's disk to an agent that runs the old set and is registered."""
        for kind, file, limit in (("pids", "pids.max", MOST_PROCESSES), ("memory", "memory.limit_in_bytes", SMALL_MEMORY)):
            group = os.path.join(GROUPS, kind, self.name)
            os.makedirs(group, exist_ok=True)
            with open(os.path.join(group, file), "w", encoding="ascii") as setting:
                setting.write(str(limit))
            os.symlink(group, self.folder / "groups" / kind)
        call("cp", "--sparse=always", self.template.image, self.folder / "disk.img")
        self._mount()
        self.start_master()
        self.write_node(WAYS[0])
        self.power_on()
        self.inside("dcos-pkg", "activate", *self.template.sets["old"], expect=0)
        self.start_helper()
        until("the agent is registered", self.registered_id, 60)
        self.agent_id = self.registered_id()

    def power_on(self):
        """Boots: the first process, and a boot id of its own."""
        (self.folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
        (self.folder / "up").unlink(missing_ok=True)
        log = open(self.folder / "init.log", "ab")
        self.init = subprocess.Popen([*WITH_US, "bash", "-c", INIT, "init", self.folder, self.folder / "groups"],
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until("the machine is up", (self.folder / "up").exists, 10)
        with open(f"/proc/{self.init.pid}/task/{self.init.pid}/children", encoding="ascii") as children:
            self.leader = int(children.read().split()[0])

    def power_off(self):
        """Every process at once."""
        if self.init:
            with_leader = [self.leader, self.init.pid] if self.leader else [self.init.pid]
            for pid in with_leader:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.init.wait()
            self.init = self.leader = None

    def lose(self):
        """The host is lost: first its disk, then all that ran on it. Answers what its journal says before it boots."""
        descriptor = os.open(self.disk, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(descriptor)
        attempt, steps = self.watcher.attempt, self.watcher.seen()
        self.power_off()
        self._unmount()
        self._mount()
        self.watcher.attempt, self.watcher.steps = attempt, steps
        found = self.step()
        self.power_on()
        return found

    def enter(self):
        """The command that runs another one on the machine: below its root, which is not that of its mounts where the tests
        themselves run below another one."""
        return ["nsenter", "--target", str(self.leader), "--pid", "--mount", "--root", "--wd", "--"]

    def inside(self, program, *arguments, expect=None):
        """Runs one of the node's own programs on the machine, as a person there would."""
        folder = f"{HOME}/root/packages/{dcos_bits(OLD)}/bin"
        done = subprocess.run(
            [*self.enter(), f"{folder}/{program}", "--node", f"{HOME}/node.toml", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/", timeout=90,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        if expect is not None and done.returncode != expect:
            raise Broken(f"`{program} {' '.join(arguments)}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start_helper(self):
        """What an init system does at boot."""
        # It is Mesos that may fail to answer here, and that is for the cell to find out.
        self.inside("dcos-restart-helper", "start", "--no-wait", expect=0)

    def reread_node(self):
        """Makes the helper read the node's file again, which it does at its start."""
        self.inside("dcos-restart-helper", "stop", expect=0)
        self.start_helper()

    def write_node(self, way, unreachable=None):
        """The node's file, with a way's deadlines; answers whether it has become another one."""
        health = "" if way.defaults else HEALTH.format(way=way)
        masters = [unreachable] if unreachable else []
        masters.append(f"http://127.0.0.1:{self.master_port}")
        text = NODE.format(home=HOME, port=self.port, master=self.master_port, health=health, supervisor=self.supervisor,
                           masters=", ".join(f'"{each}"' for each in masters))
        changed = text != self.node_text
        if changed:
            (self.disk / "node.toml").write_text(text)
            descriptor = os.open(self.disk / "node.toml", os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        self.node_text = text
        return changed

    # Mesos.

    def start_master(self):
        """Starts the master, unless it runs."""
        if self.master and self.master.poll() is None:
            return
        log = open(self.folder / "master.log", "ab")
        self.master = subprocess.Popen(
            [*WITH_US, f"{self.trees[NEW]}/bin/mesos-master"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**MASTER, "PATH": os.environ["PATH"], "MESOS_PORT": str(self.master_port),
                 "MESOS_WORK_DIR": str(self.folder / "master")})
        until("the master leads", lambda: (get(self.master_port, "/metrics/snapshot") or {}).get("master/elected") == 1, 60)

    def stop_master(self):
        if self.master:
            self.master.kill()
            self.master.wait()
            self.master = None

    def registered_id(self):
        """The id under which the master lists the agent as active; `None` while it does not."""
        agents = (get(self.master_port, "/master/slaves") or {}).get("slaves", [])
        found = [each["id"] for each in agents if each["active"]]
        if len(found) > 1:
            raise Broken(f"the master lists {len(found)} agents: {found}")
        return found[0] if found else None

    def version(self):
        return (get(self.port, "/version") or {}).get("version")

    def mesos_processes(self):
        """The processes of this machine whose program is Mesos's agent, by the numbers that they have on it."""
        own = os.readlink(f"/proc/{self.leader}/ns/pid")
        found = []
        for entry in os.scandir("/proc"):
            try:
                if not entry.name.isdigit() or os.readlink(f"{entry.path}/ns/pid") != own:
                    continue
                if os.path.basename(os.readlink(f"{entry.path}/exe")) == "mesos-agent":
                    with open(f"{entry.path}/status", encoding="ascii") as status:
                        numbers = next(line for line in status if line.startswith("NSpid:"))
                    found.append(int(numbers.split()[-1]))
            except (OSError, StopIteration):
                pass  # it has ended meanwhile, or is the kernel's own
        return found

    # Documents.

    def document(self, name):
        """A document of `state/`; `None` if there is none."""
        try:
            return json.loads((self.state / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def step(self):
        """Where the last attempt stands."""
        journal = self.document("journal.json")
        return (step_of(journal), journal) if journal else (None, None)

    def tear_down(self):
        """Nothing is left of it."""
        self.power_off()
        self.stop_master()
        self._unmount()
        for kind in ("pids", "memory"):
            group = os.path.join(GROUPS, kind, self.name)
            for _ in range(100):
                try:
                    os.rmdir(group)
                except FileNotFoundError:
                    pass
                except OSError:
                    time.sleep(0.05)
                    continue
                break
        shutil.rmtree(self.folder, ignore_errors=True)

