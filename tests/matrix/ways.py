"""The ways for a new set to be bad, and what has to come of each.

Most are real Mesos 1.11.0 with the module `saboteur`, whose config says what it does (`how`); others are packages of
Mesos that are wrong themselves (`mesos`), configs that only the real binary refuses (`environment`), or weather around a
good set (`weather`). All of them but the refused ones pass pre-flight: they can only be found out live.
"""

import dataclasses

OLD, NEW = "1.10.0", "1.11.0"

# Inside a machine of the matrix its files are always here, so that packages can name paths.
HOME = "/mnt"
OLD_MESOS = f"{HOME}/root/packages/mesos--{OLD}"
WORK_DIR = f"{HOME}/work"
CHECKPOINT = f"{WORK_DIR}/meta/slaves/latest/slave.info"
FILLER = f"{HOME}/filler"
GROUP = "/media"  # A control group with little memory.

# The journal's steps, in the order in which attempts of each end take them. A step is named as the journal names it.
FORWARD = ["ordered", "forward.stopping", "forward.stopped", "forward.starting", "forward.watching"]
BACK = ["back.stopping", "back.stopped", "back.starting", "back.watching"]
AGAIN = ["lost", "again.stopping", "again.stopped", "again.starting", "again.watching"]
STEPS = {
    "confirmed": [*FORWARD, "confirmed"],
    "unconfirmed, then confirmed": [*FORWARD, "unconfirmed", "confirmed"],
    "rolled_back": [*FORWARD, *BACK, "rolled_back"],
    "lost, then rolled_back": [*FORWARD, *BACK, *AGAIN, "rolled_back"],
    "refused": [],
}


@dataclasses.dataclass
class Way:
    """A way for a set to be bad. Seconds are as in `[health]` of node.toml; they are short where time is not the point."""

    name: str
    end: str = "rolled_back"
    how: str = ""  # What the saboteur does.
    mesos: str = ""  # What the package of Mesos is instead, in a word that packages.py knows.
    environment: dict = dataclasses.field(default_factory=dict)
    weather: str = ""  # What cell.py does around the attempt.
    packages: tuple = ()  # Packages that the set has besides, or in place of others of the same name.
    modules: tuple = ()  # Modules that the config enables besides.
    role: str = "agent"
    hold: float = 1.5
    answer: float = 6.0
    register: float = 8.0
    stop: float = 3.0
    defaults: bool = False  # The deadlines are Mesos operators' own: nothing is written into `[health]`.
    skips: tuple = ()  # Steps that this way does not take.
    remembered: bool = True  # Whether the set is refused from then on.

    @property
    def steps(self):
        return [step for step in STEPS[self.end] if step not in self.skips]


WAYS = [
    # What a good set does, so that the matrix would notice a judge who says yes to everything.
    Way("good", end="confirmed"),
    # Modules that end their Mesos.
    Way("exits-at-once", how="exit:0"),
    Way("exits-after-5-s", how="exit:5", hold=8),
    Way("exits-after-30-s", how="exit:30", hold=33),
    Way("crashes-in-a-thread", how="segfault:1", hold=4),
    Way("throws-what-nobody-catches", how="throw:1", hold=4),
    Way("registers-then-dies", how="registered-kill", hold=4),
    Way("crashes-when-used", how="health-crash"),
    Way("killed-for-its-memory", how=f"oom:{GROUP}", hold=6),
    Way("writes-60-mb-of-log-and-exits", how="spam:60"),
    Way("fills-the-disk-and-exits", how=f"fill:{FILLER}", hold=10),
    # Modules that leave it alive and useless.
    Way("hangs-before-registering", how="hang", register=4),
    Way("freezes", how="freeze:1", hold=4),
    Way("has-no-files-to-open", how="no-files"),
    Way("health-answers-503", how="health-503"),
    Way("health-hangs", how="health-hang"),
    Way("health-200-then-503", how="health-flap", hold=5),
    Way("deaf-to-sigterm-and-unwell", how="deaf-503"),
    # What it leaves behind keeps the old set from starting for a while.
    Way("leaves-its-port-in-use", how="keep-port:12", end="lost, then rolled_back"),
    Way("leaves-a-thousand-children", how="fork-bomb:12", hold=4, skips=("back.watching",)),
    # A Mesos in other circumstances than it needs: the module executes one that is wrong in its own place.
    Way("says-nothing", how="become:/bin/sleep"),
    Way("ends-with-status-0", how="exit-0"),
    Way("is-of-another-version-than-its-modules", how=f"become:{OLD_MESOS}/bin/mesos-agent"),
    Way("listens-on-another-port", how="with:MESOS_PORT=4999"),
    Way("agent-info-is-refused", how="with:MESOS_RESOURCES=cpus:2;mem:256;disk:100"),
    Way("work-dir-is-read-only", how=f"read-only:{WORK_DIR}"),
    Way("lacks-address-space", how="address-space:150"),
    # Packages of Mesos that are wrong.
    Way("is-another-version", mesos="the old one"),
    Way("is-not-executable", mesos="not executable"),
    Way("has-no-interpreter", mesos="no interpreter"),
    Way("lacks-a-library", mesos="lacks a library"),
    Way("is-no-program", mesos="no program"),
    # Configs that only the real binary refuses, and an environment that breaks it.
    Way("isolator-is-unknown", environment={"MESOS_ISOLATION": "posix/cpu,no/such"}),
    Way("acls-are-misshapen", environment={"MESOS_ACLS": '{"run_tasks": 7}'}),
    Way("flag-is-no-duration", environment={"MESOS_REGISTRATION_BACKOFF_FACTOR": "soon"}),
    Way("tls-without-a-key", environment={"LIBPROCESS_SSL_ENABLED": "true"}),
    # Both sets are bad: whoever can mend the old one does, once the node says that it is lost.
    Way("ruins-the-checkpoint-of-both", how=f"ruin:{CHECKPOINT}", end="lost, then rolled_back", weather="mend"),
    # Weather that is not the set's fault.
    Way("no-master-leads", end="unconfirmed, then confirmed", weather="leaderless", register=3),
    Way("no-master-leads-and-it-exits", how="exit:1", hold=3, weather="leaderless"),
    Way("deploy-module-is-unreachable", end="confirmed", weather="unreachable"),
    Way("deploy-module-is-unreachable-and-it-exits", how="exit:0", weather="unreachable"),
    Way("old-mesos-is-deaf-to-sigterm", end="confirmed", weather="deaf"),
]

# With the deadlines that operators have: how long until the agent is registered again.
TIMED = [
    Way("exits-at-once (default deadlines)", how="exit:0", defaults=True),
    Way("exits-after-5-s (default deadlines)", how="exit:5", defaults=True),
    Way("no-master-leads for a minute (default deadlines)", end="unconfirmed, then confirmed",
        weather="leaderless", defaults=True),
]

# What pre-flight knows: nothing is stopped, nothing changes.
REFUSED = [
    Way("module-is-for-another-mesos", end="refused", packages=("fizzbuzz--1.3.0+mesos1.11.0",),
        modules=("org_example_FizzBuzz",)),
    Way("module-is-in-no-package", end="refused", modules=("org_example_Nobody",)),
    Way("package-is-not-here", end="refused", packages=("nowhere--1.0.0",)),
    Way("config-sets-the-port", end="refused", environment={"MESOS_PORT": "5051"}),
    Way("config-is-for-masters", end="refused", role="master"),
    Way("dcos-bits-is-for-another-mesos", end="refused", packages=("dcos-bits@1.10.0",)),
    Way("library-is-a-text", end="refused", packages=("text--1.0.0+mesos1.11.0",), modules=("org_example_Text",)),
    Way("library-kills-who-loads-it", end="refused", packages=("killer--1.0.0+mesos1.11.0",),
        modules=("org_example_Killer",)),
]

ALL = [*WAYS, *TIMED, *REFUSED]


def faults(way):
    """The faults that a way is tried with: none; the helper killed, or the whole host lost, at each step of the journal."""
    if way.end == "refused" or way.defaults:
        return ["none"]
    return ["none", *(f"{what}@{step}" for what in ("helper", "host") for step in way.steps)]


# What is tried under systemd too, with every fault: one way of each kind.
UNDER_SYSTEMD = {
    "good", "exits-at-once", "exits-after-5-s", "registers-then-dies", "crashes-when-used", "fills-the-disk-and-exits",
    "freezes", "health-answers-503", "is-another-version", "is-not-executable", "ruins-the-checkpoint-of-both",
    "no-master-leads", "old-mesos-is-deaf-to-sigterm",
}


@dataclasses.dataclass(frozen=True)
class Key:
    """What a cell is: a way, a fault, and who supervises Mesos."""

    way: str
    fault: str
    supervisor: str = "process"

    def __str__(self):
        return f"{self.way} / {self.fault}" + (" / systemd" if self.supervisor == "systemd" else "")


def cells():
    """Every cell of the matrix, with its way."""
    plain = {Key(way.name, fault): way for way in ALL for fault in faults(way)}
    hosted = [way for way in ALL if way.name in UNDER_SYSTEMD]
    # Here systemd itself says that it can't start it: then nothing of the set has run, and nothing is held against it.
    hosted = [dataclasses.replace(way, skips=("forward.watching",), remembered=False)
              if way.name == "is-not-executable" else way for way in hosted]
    return plain | {Key(way.name, fault, "systemd"): way for way in hosted for fault in faults(way)}


# One cell of each kind, for `make test`.
SAMPLE = {
    Key("good", "none"),
    Key("exits-at-once", "none"),
    Key("crashes-when-used", "helper@forward.watching"),
    Key("is-another-version", "helper@back.stopped"),
    Key("health-answers-503", "host@forward.starting"),
    Key("fills-the-disk-and-exits", "host@back.starting"),
    Key("ruins-the-checkpoint-of-both", "none"),
    Key("no-master-leads", "none"),
    Key("module-is-for-another-mesos", "none"),
    Key("good", "host@forward.watching", "systemd"),
    Key("exits-at-once", "host@forward.starting", "systemd"),
}
