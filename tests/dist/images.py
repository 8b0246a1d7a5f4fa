"""The images: built as the Dockerfile says, and started together as the compose file would."""

import gzip
import json
import shutil
import signal
import subprocess
from pathlib import Path

from dockerfile import Builder, Container
from roots import TARGET, TREE, Failed, Files, call, expect, until

OLD, NEW = "1.10.0", "1.11.0"
SAMPLE = "fizzbuzz--1.2.0"
URL = "http://127.0.0.1:5050"

# The containers share one network, so each has a port of its own in place of an address.
NODE = {
    "DCOS_IP": "127.0.0.1", "DCOS_HOSTNAME": "127.0.0.1", "DCOS_MASTERS": URL, "DCOS_ANONYMOUS": "yes", "DCOS_HOLD": "1.0",
    "DCOS_RELEASE_URL": "http://127.0.0.1:8080", "DCOS_SITE_URL": "http://127.0.0.1:8081", "DCOS_TRUST": "/trust",
}
AGENT = {**NODE, "DCOS_MASTER": "127.0.0.1:5050"}
REPOSITORY = {
    "DCOS_SITE_REPOSITORY": "/srv/repository/site", "DCOS_SITE_KEYS": "/var/lib/dcos-keys/site", "DCOS_URL": URL,
}


class Images:
    """The stages, built once, of nodes that start with a version of Mesos."""

    def __init__(self, folder, base, version=NEW):
        mesos = Builder(TREE / "docker/mesos.Dockerfile", TREE, folder / "mesos", {}, {"MESOS_VERSION": version})
        image = f"dcos-bits/mesos:{version}"
        images = {"debian:bookworm-slim": Files([base]), image: mesos.build("image").layer}
        self.builder = Builder(TREE / "docker/Dockerfile", TREE, folder, images, {"MESOS_IMAGE": image})

    def stage(self, name):
        """A stage."""
        return self.builder.build(name)

    def build_all(self):
        """Builds all that are started, and all that those are made of."""
        for name in ("agent", "master", "repository"):
            self.stage(name)


class Cluster:
    """Containers of the stages, in one network and with the volumes of the compose file. They end with the block."""

    def __init__(self, folder, images, packages):
        self.folder, self.images, self.started = folder, images, {}
        self.network = f"dcos-bits-{folder.name[-8:]}"
        self.volumes = {folder / "trust": "/trust", folder / "packages": "/packages"}
        for volume in self.volumes:
            volume.mkdir()
        shutil.chown(folder / "trust", 5050, 5050)
        for package in packages:
            shutil.copy(package, folder / "packages")

    def __enter__(self):
        call("ip", "netns", "add", self.network)
        call("ip", "-n", self.network, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for container in self.started.values():
            container.kill()
        call("ip", "netns", "delete", self.network)

    def start(self, name, environment):
        """Starts a container of a stage; comes back once it is healthy."""
        container = Container(self.images.stage(name), self.network, environment, self.volumes, self.folder / f"{name}.log")
        self.started[name] = container
        try:
            until(f"the image `{name}` is healthy", container.healthy, 40)
        except Failed as error:
            raise Failed(f"{error}\n{Path(container.log).read_text()[-3000:]}") from error
        return container

    def start_all(self):
        """Repository, master and agent, in the order that the compose file has; answers them."""
        started = self.start("repository", REPOSITORY), self.start("master", NODE), self.start("agent", AGENT)
        until("the agent is registered with the master", lambda: identity(started[1]))
        return started


def archives(*names):
    """Packages that scripts/build has made."""
    return [file for name in names for file in sorted((TARGET / "packages").glob(f"{name}.tar.gz"))]


def check(folder, images):
    """Starts all three, and asks each of them how it is."""
    with Cluster(folder, images, archives(f"{SAMPLE}+mesos{NEW}")) as cluster:
        repository, master, agent = cluster.start_all()
        together(agent)
        accounts([repository, master, agent])
        before = identity(master)
        stopping(agent, master)
        cluster.start("agent", AGENT)
        until("the agent is back under its id", lambda: identity(master) == before)
        rebuilt(cluster, repository)


def check_upgrade(folder, base):
    """What docker/README.md has somebody try: an upgrade of Mesos, then a module."""
    folder.mkdir()
    packages = archives("mesos--*", "dcos-bits--*", f"{SAMPLE}+*")
    with Cluster(folder, Images(folder, base, OLD), packages) as cluster:
        repository, master, agent = cluster.start_all()
        for name, port in (("master", "5050"), ("agent", "5051")):
            said = cluster.started[name].run("dcos", "--json", "--url", URL, "deploy", "nodes")
            expect(f"the image `{name}` starts with another Mesos: {said}", f'"{OLD}"' in said and port in said)
        before = identity(master)
        repository.run("dcos", "upgrade", "mesos", NEW)
        repository.run("dcos", "install", "module", SAMPLE)
        nodes = json.loads(agent.run("dcos", "--json", "--url", URL, "deploy", "nodes"))["nodes"]
        expect(f"after the upgrade the nodes are {nodes}", {node["mesos_version"] for node in nodes} == {NEW})
        agent.run("answers", "node", "/fizzbuzz/health")
        expect("the agent has another id after the upgrade", identity(master) == before)


def together(agent):
    """The agent takes a package from the repository, and believes it by its signatures."""
    sample = f"{SAMPLE}+mesos{NEW}"
    agent.run("dcos-pkg", "fetch", sample)
    expect("a package was fetched, and is not listed", sample in agent.run("dcos-pkg", "list"))
    node = agent.stage.layer.find("/etc/dcos/node.toml").read_text()
    expect("nodes do not know the repositories by their roots", node.count('root_json = "/trust/') == 2)


def identity(master):
    """The id of the agent that is registered; none while it is not."""
    nodes = json.loads(master.run("dcos", "--json", "--url", URL, "deploy", "nodes"))["nodes"]
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


def rebuilt(cluster, repository):
    """What `up --build` does after a change of code: an archive has a published id and other bytes. It alone is left out."""
    changed, = (cluster.folder / "packages").glob(f"{SAMPLE}+*")
    changed.write_bytes(gzip.compress(gzip.decompress(changed.read_bytes()), compresslevel=1))
    added, = archives("fizzbuzz--1.4.0+*")
    shutil.copy(added, cluster.folder / "packages")
    before = repository.run("dcos", "--json", "repo", "list", "/srv/repository/release")
    subprocess.run(["kill", "-s", str(int(signal.SIGTERM)), repository.leader()], check=True)
    expect("`docker stop` ends the repository with another code than 0", repository.process.wait(20) == 0)
    again = cluster.start("repository", REPOSITORY)
    log = Path(again.log).read_text()
    expect(f"it does not say what was left out:\n{log}", f"warning: `/packages/{changed.name}` was left out" in log)
    after = again.run("dcos", "--json", "repo", "list", "/srv/repository/release")
    digest = digest_of(before, SAMPLE)
    expect("a published id has other bytes now", digest is not None and digest_of(after, SAMPLE) == digest)
    expect("an archive that is new was not published", digest_of(after, "fizzbuzz--1.4.0") is not None)


def digest_of(listed, beginning):
    """The digest of the package whose id begins so, by what `dcos repo list` printed; none if there is no such package."""
    packages = json.loads(listed)["packages"]
    return next((package["sha256"] for package in packages if package["id"].startswith(beginning)), None)
