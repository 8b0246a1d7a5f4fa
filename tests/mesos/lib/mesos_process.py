"""Real masters and agents as processes on loopback, for scripts that look at them from outside."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

# What an agent needs to run without root's services: plain processes, no cgroups, no systemd.
AGENT_ENVIRONMENT = {
    "MESOS_LAUNCHER": "posix",
    "MESOS_ISOLATION": "posix/cpu,posix/mem",
    "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
    "MESOS_RESOURCES": "cpus:1;mem:256;disk:100;ports:[]",
    "MESOS_REGISTRATION_BACKOFF_FACTOR": "10ms",
    # How long a recovering agent waits for its executors, however quick they are.
    "MESOS_EXECUTOR_REREGISTRATION_TIMEOUT": "500ms",
    # How long an executor waits for its agent: one that a failed script left behind ends soon.
    "MESOS_RECOVERY_TIMEOUT": "30secs",
}

# Without ZooKeeper an agent looks for its restarted master only when pings have not come for this long. The master tells
# the agent how long that is; Mesos's defaults make it 75 s.
MASTER_ENVIRONMENT = {
    "MESOS_AGENT_PING_TIMEOUT": "1secs",
    "MESOS_MAX_AGENT_PING_TIMEOUTS": "3",
}

POLL_INTERVAL = 0.02  # Seconds between two looks at a condition.
DEADLINE = 20  # Seconds for any one condition; the usual ones take less than one.


class Failure(Exception):
    """Something did not come about, told in a sentence."""


def free_port():
    """A port of loopback that nobody listens on. Mesos has to know its port before it starts, so it cannot choose."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, deadline=DEADLINE):
    """Polls until `condition()` is true and returns its value; raises `Failure` naming `what` otherwise."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {deadline} s in vain: {what}")
        time.sleep(POLL_INTERVAL)


class Mesos:
    """One running master or agent: `role` is `master` or `agent`, `tree` a package tree."""

    def __init__(self, tree, role, port, folder, environment):
        self.role, self.port = role, port
        self.log = os.path.join(folder, f"{role}.log")
        own = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "MESOS_IP": "127.0.0.1",
            "MESOS_PORT": str(port),
            "MESOS_WORK_DIR": os.path.join(folder, role),
            # Otherwise two requests a second.
            "LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT": "",
        }
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(tree, "bin", f"mesos-{role}")],
                env={**own, **environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def get(self, path):
        """The JSON document at a path, or None while the server does not answer with one."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                body = response.read()
        except OSError:
            if self.process.poll() is not None:
                raise Failure(f"the {self.role} ended with status {self.process.returncode}") from None
            return None
        return json.loads(body) if body else {}

    def stop(self):
        """Sends SIGTERM; returns the exit status, negative when a signal ended the process."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def log_tail(self, lines=20):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])


class Framework(contextlib.AbstractContextManager):
    """A framework that keeps one `sleep` running, which writes down its own process id."""

    def __init__(self, program, cluster):
        self.pid_file = os.path.join(cluster.folder, "task.pid")
        self.output = os.path.join(cluster.folder, "framework.log")
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--master=127.0.0.1:{cluster.master_port}",
                    f"--command=echo $$ >'{self.pid_file}'; exec sleep 3600",
                ],
                stdout=output,
            )

    def events(self):
        with open(self.output, encoding="utf-8") as output:
            return [json.loads(line) for line in output if line.endswith("\n")]

    def subscriptions(self):
        """How often a leading master has taken the framework in."""
        return sum(event["event"] == "subscribed" for event in self.events())

    def states(self):
        """The states that Mesos has told the framework of its task, in their order."""
        return [event["state"] for event in self.events() if event["event"] == "update"]

    def task(self):
        """Process id and start time of the task, or None when it is gone: together they mean one process for ever."""
        try:
            with open(self.pid_file, encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return pid, file.read().rpartition(")")[2].split()[19]
        except FileNotFoundError:
            return None

    def stop(self):
        """Tears the framework down; returns its exit status."""
        self.process.terminate()
        return self.process.wait(DEADLINE)

    def __exit__(self, kind, error, _traceback):
        if self.process.poll() is None:
            self.stop()


class Cluster(contextlib.AbstractContextManager):
    """A folder, two ports, and at most one master and one agent at a time, of whatever version."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dcos-bits-mesos-")
        self.master_port, self.agent_port = free_port(), free_port()
        self.master = self.agent = None

    def start_master(self, tree, **environment):
        self.master = Mesos(tree, "master", self.master_port, self.folder, {**MASTER_ENVIRONMENT, **environment})
        wait_for("the master leads", lambda: (self.master.get("/metrics/snapshot") or {}).get("master/elected") == 1)

    def start_agent(self, tree, **environment):
        own = {
            **AGENT_ENVIRONMENT,
            "MESOS_MASTER": f"127.0.0.1:{self.master_port}",
            "MESOS_RUNTIME_DIR": os.path.join(self.folder, "agent-runtime"),
        }
        self.agent = Mesos(tree, "agent", self.agent_port, self.folder, {**own, **environment})

    def active_agents(self):
        """What the master's list says of its active agents."""
        document = self.master.get("/master/slaves") or {"slaves": []}
        return [slave for slave in document["slaves"] if slave["active"]]

    def __exit__(self, kind, error, _traceback):
        for mesos in (self.agent, self.master):
            if mesos:
                mesos.stop()
                if kind:
                    print(f"--- the end of {mesos.log}\n{mesos.log_tail()}")
        shutil.rmtree(self.folder)
