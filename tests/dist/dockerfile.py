"""Builds the stages of a Dockerfile in Debian roots: as much of the language as ours use, and an error for the rest.

So what the tests run is what the Dockerfile says, and not a second list of it that could differ.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from roots import TARGET, Failed, Layer, call, digest, kept

ALLOWED_MOUNT = {"type", "source", "target", "from"}


class Stage:
    """A stage as it was built, and what the engine would start of it."""

    def __init__(self, layer, parent=None):
        self.layer = layer
        self.environment = dict(parent.environment) if parent else {}
        self.user = parent.user if parent else "0:0"
        self.entry = parent.entry if parent else None
        self.health = parent.health if parent else None


def instructions(text):
    """The instructions of a Dockerfile: (word, rest), continued lines as one."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        yield word, rest.strip()


def copy(sources, destination):
    """COPY: folders by their content, files into a folder or to a name."""
    into = Path(destination)
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, into, dirs_exist_ok=True, symlinks=True)
        elif str(destination).endswith("/") or len(sources) > 1:
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, into / source.name)
        else:
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, into)


class Builder:
    """Builds what is asked for, each stage once. `images` are layers by the name that FROM has for them."""

    def __init__(self, file, context, folder, images, arguments=None):
        self.context, self.folder, self.images = Path(context), Path(folder), images
        self.arguments, self.stages, self.texts = dict(arguments or {}), {}, {}
        name = None
        for word, rest in instructions(Path(file).read_text()):
            if word == "FROM":
                image, _, name = rest.partition(" AS ")
                name = name or "image"
                self.texts[name] = (self.fill(image), [])
            elif name is None:
                key, _, value = rest.partition("=")
                self.arguments.setdefault(key, value)
            else:
                self.texts[name][1].append((word, rest))

    def fill(self, text):
        """Puts the arguments in."""
        return re.sub(r"\$\{(\w+)\}", lambda found: self.arguments[found[1]], text)

    def place(self, path):
        """A file of the context. What was built may lie elsewhere than below the tree (CARGO_TARGET_DIR)."""
        built = path.removeprefix("target/")
        return TARGET / built if built != path else self.context / path

    def build(self, name):
        """A stage, and all that it is made of."""
        if name in self.stages:
            return self.stages[name]
        image, steps = self.texts[name]
        parent = self.build(image) if image in self.texts else None
        if parent is None and image != "scratch" and not steps:
            # A stage that only gives an image a name.
            self.stages[name] = Stage(self.images[image])
            return self.stages[name]
        below = parent.layer.stack() if parent else self.images[image].stack() if image != "scratch" else []
        for word, rest in steps:
            if word == "RUN" and "from=" in rest:
                self.build(re.search(r"from=([\w-]+)", rest)[1])
        if below and any(word == "RUN" for word, _ in steps) and not any("--mount" in rest for _, rest in steps):
            stage = self.from_cache(name, below, steps, parent)
        else:
            stage = Stage(Layer(self.folder / name, below), parent)
            self.carry_out(stage, steps)
        self.stages[name] = stage
        return stage

    def from_cache(self, name, below, steps, parent):
        """A stage that is made of this tree's files only is kept, as the engine keeps a layer: it may ask the network.

        What lies below it is in the cache too, under a name that says what it was made from.
        """
        sources = [self.place(source) for word, rest in steps if word == "COPY" for source in rest.split()[:-1]]
        key = digest(*below, *map(str, steps), *[source.read_bytes() for source in sources])

        def make(folder):
            layer = Layer(self.folder / f"{name}.new", below)
            self.carry_out(Stage(layer, parent), steps)
            shutil.move(layer.top / "upper", folder)

        layer = Layer(self.folder / name, [kept(f"layer-{name}-{key}", make), *below])
        stage = Stage(layer, parent)
        self.carry_out(stage, [step for step in steps if step[0] not in ("RUN", "COPY")])
        return stage

    def carry_out(self, stage, steps):
        """Each instruction in order."""
        for word, rest in steps:
            match word:
                case "ARG":
                    key, _, value = rest.partition("=")
                    self.arguments.setdefault(key, value)
                case "COPY":
                    self.copy(stage, rest)
                case "ADD":
                    source, destination = self.fill(rest).split()
                    into = stage.layer.top / "upper" / destination.strip("/")
                    into.mkdir(parents=True)
                    call("tar", "--extract", "--file", self.place(source), "--directory", into)
                case "RUN":
                    self.run(stage, rest)
                case "ENV":
                    stage.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
                case "USER":
                    stage.user = rest
                case "ENTRYPOINT":
                    stage.entry = json.loads(rest)
                case "HEALTHCHECK":
                    stage.health = json.loads(rest[rest.index("CMD ") + 4:])
                case "VOLUME" | "EXPOSE":
                    pass
                case _:
                    raise Failed(f"these tests do not know the instruction `{word}`")

    def copy(self, stage, rest):
        """COPY, from the context or from another stage."""
        *sources, destination = rest.split()
        place = self.place
        if sources[0].startswith("--from="):
            place = self.build(sources.pop(0).partition("=")[2]).layer.find
        copy([place(source) for source in sources], f"{stage.layer.top}/upper{destination}")

    def run(self, stage, rest):
        """RUN, with what it binds, and by the shell."""
        binds = {}
        while rest.startswith("--mount="):
            mount, _, rest = rest.removeprefix("--mount=").lstrip().partition(" ")
            rest = rest.lstrip()
            how = dict(pair.split("=", 1) for pair in mount.split(","))
            if how.get("type") != "bind" or not how.keys() <= ALLOWED_MOUNT:
                raise Failed(f"these tests do not know `--mount={mount}`")
            source = self.build(how["from"]).layer.find(how["source"]) if "from" in how else self.place(how["source"])
            binds[source] = how["target"]
        stage.layer.run("/bin/sh", "-c", rest, user=stage.user, environment=stage.environment, binds=binds)


class Container:
    """A stage that runs, in a process tree of its own and in a network namespace that others share."""

    def __init__(self, stage, network, environment, binds, log):
        self.stage = stage
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/",
                            "LANG": "C.UTF-8", **stage.environment, **environment}
        command = stage.layer.command(stage.entry, user=stage.user, environment=self.environment, binds=binds)
        self.log = log
        self.process = subprocess.Popen(["ip", "netns", "exec", network, *command], stdin=subprocess.DEVNULL,
                                        stdout=open(log, "wb"), stderr=subprocess.STDOUT)

    def leader(self):
        """The process that is PID 1 inside; none once it has ended."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return children.read_text().split()[0]
        except (OSError, IndexError):
            return None

    def inside(self, *words):
        """The command line that runs a command beside the entry point, by the same account."""
        uid, gid = self.stage.user.split(":")
        return ["nsenter", "--target", self.leader() or "0", "--mount", "--pid", "--net", "--root", "--wd",
                "--setuid", uid, "--setgid", gid, "--", "/usr/bin/env", "-i",
                *[f"{name}={value}" for name, value in self.environment.items()], *words]

    def run(self, *words, code=0):
        """Runs a command beside the entry point; answers what it printed."""
        return call(*self.inside(*words), code=code)

    def healthy(self):
        """What the engine would find."""
        if self.process.poll() is not None:
            raise Failed(f"the container has ended with {self.process.returncode}:\n{Path(self.log).read_text()[-3000:]}")
        return subprocess.run(self.inside(*self.stage.health), stdin=subprocess.DEVNULL, capture_output=True,
                              check=False).returncode == 0

    def kill(self):
        """Ends all of it: PID 1, and with that what it started. Killing what waits for it would leave it to itself, for
        who has changed the account is not killed with its parent."""
        leader = self.leader()
        if leader is not None:
            os.kill(int(leader), signal.SIGKILL)
        self.process.wait(20)
