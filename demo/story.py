"""A real Mesos cluster on loopback, upgraded by its own modules.

One master and three agents on Mesos 1.10.0, as ordinary processes with their own packages, and a task on each agent. They
are upgraded, get a module, are offered one that can't work, and one that crashes; the tasks run on through all of it. At
last an agent is added and removed. What is shown is also checked: the demo ends with 1 and the reason if anything is not as
it says. Nothing is left behind, unless --keep is given.
"""

import argparse
import os
import signal
import tempfile
import traceback
from pathlib import Path

import cluster as cluster_module
from tasks import Tasks
from show import Failed, chapter, check, complain, get, run, say, until

TREE = Path(__file__).resolve().parent.parent
PROGRAMS = TREE / "target" / "release"
PACKAGES = TREE / "target" / "packages"
OLD, NEW = "1.10.0", "1.11.0"


def archive(name, version, mesos=None):
    """A package's archive as scripts/pack left it; the release of dcos-bits itself is whatever was built."""
    found = sorted(PACKAGES.glob(f"{name}--{version}{f'+mesos{mesos}' if mesos else ''}.tar.*"))
    if not found:
        raise Failed(f"there is no archive of {name} {version} in `{PACKAGES}`: `make demo` builds it")
    return found[-1]


def identity(path):
    """The package's id, from its archive's name."""
    return path.name.partition(".tar.")[0]


def set_up(cluster):
    """Repositories, packages, and four nodes on the old Mesos."""
    masters = "A master" if len(cluster.masters) == 1 else f"{len(cluster.masters)} masters under ZooKeeper"
    chapter(f"{masters} and three agents on Mesos {OLD}, each with its own packages")
    cluster.serve()
    both = [archive(name, version, mesos) for mesos in (OLD, NEW)
            for name, version, mesos in (("mesos", mesos, None), ("dcos-bits", "*", mesos))]
    cluster.publish(*both, archive("fizzbuzz", "1.2.0", OLD), archive("fizzbuzz", "1.2.0", NEW))
    cluster.provision(both[3])
    first = [identity(path) for path in both[:2]]
    configs = {}
    for node in cluster.nodes:
        if node.group not in configs:
            configs[node.group] = cluster.config(node)
        cluster.prepare(node, [*first, configs[node.group]])
        cluster.start(node)
    cluster.wait_until_all_run()
    until("every node answers /pkg/active", lambda: all(node.packages() for node in cluster.nodes))
    say(f"release repository {cluster.release_url}, site repository {cluster.site_url}, master {cluster.master.url}")
    run("dcos", "deploy", "nodes")
    for node in cluster.nodes:
        check(f"{node.name} ({node.role}) answers /version with {OLD}", node.version() == OLD)
    cluster.tasks = Tasks(cluster)
    cluster.tasks.note(f"on {OLD}")
    cluster.tasks.table()


def upgrade(cluster):
    """The whole cluster to the new Mesos."""
    chapter(f"Upgrade to Mesos {NEW}: first what it would do, then for real")
    ids = cluster.agent_ids()
    run("dcos", "upgrade", "mesos", NEW, "--dry-run")
    check("a dry run changes nothing", all(node.version() == OLD for node in cluster.nodes))
    leader = cluster.leader()
    run("dcos", "upgrade", "mesos", NEW)
    if len(cluster.masters) > 1:
        office(cluster, leader)
    for node in cluster.agents:
        run("curl", "--silent", "--show-error", "--write-out", r"\n", f"{node.url}/version")
    for node in cluster.nodes:
        check(f"{node.name} ({node.role}) answers /version with {NEW}", node.version() == NEW)
    until("the master lists every agent again", lambda: cluster.agent_ids() == ids)
    check(f"{cluster.master.url}/master/slaves lists all three as active, under the ids they had", True)
    cluster.tasks.note(f"upgraded to {NEW}")
    cluster.tasks.table()
    check("every task is the process that it was, under an agent of the new Mesos", cluster.tasks.unchanged())


def office(cluster, before):
    """Where the controller went while its masters were restarted."""
    events = get(f"{cluster.leader().url}/deploy/events")["events"]
    waves = get(f"{cluster.leader().url}/deploy/deployments")["deployments"][0]["waves"]
    count = len(cluster.masters)
    check(f"followers were restarted first, one by one, and the leader {before.name} last of them",
          [len(wave) for wave in waves[:count]] == [1] * count and waves[count - 1] == [before.name])
    for event in events:
        if event["kind"] == "office":
            say(f"{event['at'][11:19]} {event['text']}")
    now = cluster.leader()
    check(f"the controller went on with the next leader, {now.name}", now.name != before.name)


def install(cluster):
    """A module with an endpoint of its own."""
    chapter("Install a module: a new config with it enabled, and the package, on every agent")
    ids = cluster.agent_ids()
    master = cluster.master.mesos()
    run("dcos", "install", "module", "fizzbuzz")
    for node in cluster.agents:
        run("curl", "--silent", "--show-error", "--write-out", r"\n", f"{node.url}/fizzbuzz/count?n=15")
        check(f"it answers inside the Mesos of {node.name}", get(f"{node.url}/fizzbuzz/health") is not None)
    check("the agents kept their ids", cluster.agent_ids() == ids)
    check("the master was not restarted", cluster.master.mesos() == master)


def refuse(cluster):
    """A package that is not what it says."""
    chapter(f"A fizzbuzz that says it is for {NEW}, whose library was built for {OLD}")
    before = [node.mesos() for node in cluster.nodes]
    sets = [node.packages() for node in cluster.nodes]
    cluster.publish(archive("fizzbuzz", "1.3.0", NEW))
    run("dcos", "install", "module", "fizzbuzz--1.3.0", expect=3)
    check("no Mesos was stopped", [node.mesos() for node in cluster.nodes] == before)
    check("every node runs the set that it ran", [node.packages() for node in cluster.nodes] == sets)
    run("dcos", "deploy", "status")


def crash(cluster):
    """A package that can only be found out by running it."""
    chapter("A fizzbuzz that loads, and crashes its Mesos a few seconds after it started")
    ids = cluster.agent_ids()
    before = {node.name: node.mesos() for node in cluster.nodes}
    sets = {node.name: node.packages() for node in cluster.nodes}
    cluster.publish(archive("fizzbuzz", "1.4.0", NEW))
    run("dcos", "install", "module", "fizzbuzz--1.4.0", expect=6)
    until("the canary is listed as active again", lambda: cluster.agent_ids() == ids)
    restarted = [node for node in cluster.nodes if node.mesos() != before[node.name]]
    check("one agent tried it, and no other Mesos was touched",
          len(restarted) == 1 and restarted[0].role == "agent")
    until("every node runs the set that it ran",
          lambda: all(node.packages() == sets[node.name] for node in cluster.nodes))
    check(f"{restarted[0].name} put its old set back by itself", True)
    cluster.tasks.note(f"{restarted[0].name} rolled back")
    cluster.tasks.table()
    check("every task is the process that it was, also where the set was rolled back", cluster.tasks.unchanged())
    check("the framework has heard of no other state since they run", cluster.tasks.run_on())
    run("dcos", "deploy", "explain", restarted[0].name)
    run("dcos", "deploy", "status")


def grow(cluster):
    """An agent that comes and goes with its machine."""
    chapter("One more agent, made by the master's own provider, and taken away again")
    ids = cluster.agent_ids()
    run("dcos", "slave", "add", "--class", "small")
    run("dcos", "slave", "list")
    made = cluster.agent_ids().keys() - ids.keys()
    check("the master lists one agent more", len(made) == 1)
    [name] = made
    check(f"{name} runs the set of its group: Mesos {NEW} with fizzbuzz",
          sorted(get(f"http://{name}/pkg/active")["packages"]) == sorted(cluster.agents[0].packages()))
    run("dcos", "slave", "remove", name, "--grace", "5s", "--yes")
    log = cluster.leader().log().read_text(errors="replace")
    check("Mesos itself drained it, and marked it gone",
          all(f"Processing call {call}" in log for call in ("DRAIN_AGENT", "MARK_AGENT_GONE")))
    check("the master lists the agents that it listed before", cluster.agent_ids() == ids)
    check("its processes and its files are gone", cluster.has_no_machines())


def close(cluster):
    """What runs at the end."""
    chapter("What every node runs now")
    run("dcos", "deploy", "nodes")
    for node in cluster.nodes:
        check(f"{node.name} ({node.role}) answers /version with {NEW}", node.version() == NEW)


def keep(cluster):
    """How to go on, and how to end it."""
    chapter("It is left running")
    say(f"export PATH={cluster.programs}:$PATH DCOS_URL={cluster.master.url} DCOS_SITE_REPOSITORY={cluster.site}")
    for node in cluster.nodes:
        say(f"{node.role:6} {node.url}/pkg/state   node file {node.file}")
    say(f"deployments {cluster.master.url}/deploy/deployments   agents {cluster.master.url}/master/slaves")
    say(f"stop it: {TREE / 'demo' / 'stop'} {cluster.directory}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--keep", action="store_true", help="leave the cluster running, and say how to stop it")
    arguments.add_argument("--masters", type=int, default=1, choices=(1, 3, 5),
                           help="how many masters there are; several have a ZooKeeper")
    wanted = arguments.parse_args()
    keeping = wanted.keep

    # Whoever ends the demo wants its cluster gone: both signals become an exception that the end below sees.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    directory = Path(tempfile.mkdtemp(prefix="dcos-bits-demo."))
    cluster, done = None, False
    try:
        cluster = cluster_module.Cluster(directory, PROGRAMS, masters=wanted.masters)
        os.environ.update(
            PATH=f"{cluster.programs}:{os.environ['PATH']}",
            DCOS_URL=cluster.master.url,
            DCOS_SITE_REPOSITORY=str(cluster.site),
        )
        for part in (set_up, upgrade, install, refuse, crash, grow, close):
            part(cluster)
        done = True
    except KeyboardInterrupt:
        complain("\nended; nothing is left behind")
        return 130
    except (Failed, OSError) as error:
        complain(f"\nerror: {error}")
        if not isinstance(error, Failed):
            traceback.print_exc()
        if cluster:
            kept = Path(tempfile.mkdtemp(prefix="dcos-bits-demo-logs."))
            cluster.save_logs(kept)
            complain(f"hint: what every Mesos, helper and server logged is in {kept}")
        return 1
    finally:
        # A second Ctrl-C would leave half of it behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if done and keeping:
            keep(cluster)
        else:
            cluster_module.remove(directory)
    if not keeping:
        chapter("Done: every process is ended and every file removed")
    return 0
