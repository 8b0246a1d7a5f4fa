"""The images: built as the Dockerfile says, and started together as the compose file would."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

from dockerfile import Builder, Container
from roots import TARGET, TREE, Failed, Layer, call, expect, until

MESOS = "1.11.0"
SAMPLE = f"fizzbuzz--1.2.0+mesos{MESOS}"

# The containers share one network, so each has a port of its own in place of an address.
COMMON = {
    "DCOS_IP": "127.0.0.1", "DCOS_HOSTNAME": "127.0.0.1", "DCOS_MASTERS": "http://127.0.0.1:5050",
    "DCOS_RELEASE_URL": "http://127.0.0.1:8080", "DCOS_SITE_URL": "http://127.0.0.1:8081", "DCOS_TRUST": "/trust",
    "DCOS_ANONYMOUS": "yes", "DCOS_HOLD": "1.0",
}


class Images:
    """The stages, built once."""

    def __init__(self, folder, base):
        root = Layer(folder / "debian", [base])
        mesos = Builder(TREE / "docker/mesos.Dockerfile", TREE, folder / "mesos", {}, {"MESOS_VERSION": MESOS})
        images = {"debian:bookworm-slim": root, f"dcos-bits/mesos:{MESOS}": mesos.build("image").layer}
        self.builder = Builder(TREE / "docker/Dockerfile", TREE, folder, images)

    def stage(self, name):
        """A stage."""
        return self.builder.build(name)


    def build_all(self):
        """Builds all that are started, and all that those are made of."""
        for name in ("agent", "master", "repository"):
            self.stage(name)


def check(folder, images):
    """Builds all three, starts them, and asks each of them how it is."""
    stages = {name: images.stage(name) for name in ("repository", "master", "agent")}
    network = f"dcos-bits-dist-{folder.name[-8:]}"
    trust, packages = folder / "trust", folder / "packages"
    trust.mkdir()
    shutil.chown(trust, 5050, 5050)
    packages.mkdir()
    shutil.copy(TARGET / "packages" / f"{SAMPLE}.tar.gz", packages)
    call("ip", "netns", "add", network)
    started = {}

    def start(name, environment):
        binds = {trust: "/trust", **({packages: "/packages"} if name == "repository" else {})}
        container = Container(stages[name], network, environment, binds, folder / f"{name}.log")
        started[name] = container
        try:
            until(f"the image `{name}` is healthy", container.healthy, 40)
        except Failed as error:
            raise Failed(f"{error}\n{Path(container.log).read_text()[-3000:]}") from error
        return container

    try:
        call("ip", "-n", network, "link", "set", "lo", "up")
        start("repository", {})
        master = start("master", COMMON)
        agent = start("agent", {**COMMON, "DCOS_MASTER": "127.0.0.1:5050"})
        together(master, agent)
        accounts(started.values())
        before = identity(master)
        stopping(agent, master)
        agent = start("agent", {**COMMON, "DCOS_MASTER": "127.0.0.1:5050"})
        until("the agent is back under its id", lambda: identity(master) == before)
    finally:
        for container in started.values():
            container.kill()
        call("ip", "netns", "delete", network)


def together(master, agent):
    """The agent registers with the master, and takes a package from the signed repository."""
    until("the agent is registered with the master", lambda: identity(master))
    agent.run("dcos-pkg", "fetch", SAMPLE)
    expect("a package was fetched, and is not listed", SAMPLE in agent.run("dcos-pkg", "list"))
    expect("nodes do not know the repository by its root", (agent.stage.layer.find("/etc/dcos/node.toml").read_text()
                                                            .count('root_json = "/trust/')) == 2)


def identity(master):
    """The id of the agent that is registered; none while it is not."""
    nodes = json.loads(master.run("dcos", "--json", "--url", "http://127.0.0.1:5050", "deploy", "nodes"))["nodes"]
    return next((node["agent_id"] for node in nodes if node["role"] == "agent" and node["registered"]), None)


def accounts(containers):
    """Nothing in a container is root's."""
    for container in containers:
        lines = container.run("/bin/sh", "-c", "cat /proc/[0-9]*/status").splitlines()
        uids = {uid for line in lines if line.startswith("Uid:") for uid in line.split()[1:]}
        expect(f"in a container processes run as {uids}", uids == {"5050"})


def stopping(agent, master):
    """What `docker stop` does: Mesos ends as it wants to be ended, and the check says that it is gone."""
    health = agent.stage.health
    call(*agent.inside("answers", "node", "/no/such/path"), code=1)
    leader = agent.leader()
    subprocess.run(["kill", "-s", str(int(signal.SIGTERM)), leader], check=True)
    expect("`docker stop` ends the agent with another code than 0", agent.process.wait(20) == 0)
    log = agent.stage.layer.find("/opt/dcos/state/log/mesos.log").read_text(errors="replace")
    expect("Mesos was killed, and not ended", "Received signal SIGTERM" in log.splitlines()[-1])
    master.run("answers", "127.0.0.1:5051", *health[2:], code=1)
