"""The packages of the matrix, and the file system with all of them that each machine gets a copy of.

Everything is added once, by `dcos-pkg add` into one store; the store's tree becomes an ext4 image. A machine's disk is a
copy of that image, so that it can be cut off like a disk and thrown away like a file.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import ways
from ways import NEW, OLD

TREE = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", TREE / "target")).resolve()
PACKAGES = TARGET / "packages"
PROGRAMS = TARGET / "release"
HERE = TARGET / "restart-matrix"

# What the disk has beyond its packages: room for generations, logs and checkpoints, and little enough to be filled soon.
SPARE_BYTES = 256 << 20

AGENT = {
    "MESOS_LAUNCHER": "posix",
    "MESOS_ISOLATION": "posix/cpu,posix/mem",
    "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
    "MESOS_RESOURCES": "cpus:1;mem:256;disk:100",
    "MESOS_REGISTRATION_BACKOFF_FACTOR": "10ms",
    "MESOS_EXECUTOR_REREGISTRATION_TIMEOUT": "500ms",
}
PARTS = ("Pkg", "Restart", "Deploy", "Provision")


class Broken(Exception):
    """The matrix itself can't go on, told in a sentence."""


def call(*command, **more):
    """Runs a program; its words are shown only if it fails."""
    done = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise Broken(f"`{' '.join(map(str, command))}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def archive(name):
    """An archive that scripts/pack made; `dcos-bits--*+mesos1.11.0` finds the release that was built."""
    found = sorted(PACKAGES.glob(f"{name}.tar.gz"))
    if not found:
        raise Broken(f"there is no archive of `{name}` in `{PACKAGES}`\nhint: scripts/build makes it")
    return found[-1]


def identity(path):
    """A package's id, from the name of its archive."""
    return path.name.removesuffix(".tar.gz")


def dcos_bits(mesos):
    """The id of our own package for a Mesos."""
    return identity(archive(f"dcos-bits--*+mesos{mesos}"))


def compiled(source, name, *flags):
    """A small program or library, made by the system's compiler; answers its bytes."""
    file = HERE / "made" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, str):
        path = file.with_suffix(".cpp")
        path.write_text(source)
    else:
        path = source
    if not file.exists() or file.stat().st_mtime < path.stat().st_mtime:
        call("g++", "-std=c++17", "-O1", path, "-o", file, *flags)
    return file.read_bytes()


MODULE = ("-fPIC", "-shared", "-fvisibility=hidden", "-pthread", "-Wl,-Bsymbolic,-z,nodelete,--exclude-libs,ALL")


def saboteur(mesos):
    """The module that breaks its Mesos."""
    return compiled(TREE / "tests" / "matrix" / "saboteur.cpp", f"libsaboteur-{mesos}.so", *MODULE,
                    "-isystem", TREE / "cpp" / "abi", f'-DMESOS_VERSION="{mesos}"')


def lacking():
    """A program that needs a library which nobody has."""
    library = HERE / "made" / "libgone.so"
    compiled("void gone() {}\n", "libgone.so", "-fPIC", "-shared")
    return compiled("void gone(); int main() { gone(); }\n", "lacking", library)


def pack(folder, name, version, files, **info):
    """Packs a package as anybody can, by tar; answers its archive. `files` are path, bytes, mode."""
    document = {"format": 1, "name": name, "version": version, **info}
    made = folder / f"{name}--{version}.tar.gz"
    with tarfile.open(made, "w:gz", compresslevel=1) as tar:
        for path, content, mode in [("pkginfo.json", json.dumps(document).encode(), 0o644), *files]:
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return made


def module(folder, name, mesos, library, symbol, **more):
    """A package with one module."""
    info = {"library": f"lib/lib{name}.so", "name": symbol, **more}
    return pack(folder, name, f"1.0.0+mesos{mesos}", [(info["library"], library, 0o755)], kind="module",
                requires=[f"mesos >= {mesos}"], mesos={"version": mesos}, modules=[info])


def config(folder, way, mesos):
    """The config of a way's set; its id is made from its content, as those of real configs are."""
    modules = [] if way.mesos else [{"name": f"org_dcos_bits_{part}", "parameters": {}} for part in PARTS]
    if (mesos == NEW and not way.mesos) or way.how:
        modules.append({"name": "org_example_Saboteur", "parameters": {"how": way.how or "nothing"}})
    modules += [{"name": name, "parameters": {}} for name in way.modules]
    document = {"format": 1, "role": way.role, "environment": {**AGENT, **way.environment}, "modules": modules}
    content = json.dumps(document, sort_keys=True).encode()
    # Two ways may have one config, and each wants a set of its own.
    digest = hashlib.sha256(content + way.name.encode()).hexdigest()[:12]
    return pack(folder, "mesos-config", digest, [("etc/config.json", content, 0o644)], kind="mesos-config",
                roles=[way.role], requires=["mesos >= 1.10.0, < 1.12.0"])


# A package's version is its Mesos's, so each Mesos that is wrong itself says that it is a version of its own.
STAND_INS = ("the old one", "not executable", "no interpreter", "lacks a library", "no program")


def stand_in(folder, word):
    """A package of Mesos that is wrong itself, and the dcos-bits that would go with it, which is never loaded."""
    version = f"1.11.{1 + STAND_INS.index(word)}"
    if word == "the old one":
        with tarfile.open(archive(f"mesos--{OLD}")) as real:
            files = [(member.name, real.extractfile(member).read(), member.mode)
                     for member in real if member.isfile() and member.name != "pkginfo.json"]
    else:
        content = {"no interpreter": b"#!/nonexistent/interpreter\n", "no program": b"\x7fELF, it says\n",
                   "not executable": b"#!/bin/sh\nexec sleep 100\n"}.get(word) or lacking()
        files = [("bin/mesos-agent", content, 0o644 if word == "not executable" else 0o755)]
    record = {"api_version": "2", "mesos_version": version, "kind": "Anonymous"}
    modules = [{"library": "lib/libdcos_bits.so", "name": f"org_dcos_bits_{part}", "record": record} for part in PARTS]
    return [
        pack(folder, "mesos", version, files, kind="mesos", mesos={"version": version}),
        pack(folder, "dcos-bits", f"0.0.0+mesos{version}", [("lib/libdcos_bits.so", b"", 0o755)], kind="module",
             requires=[f"mesos >= {version}"], mesos={"version": version}, modules=modules),
    ]


class Template:
    """The disk that every machine starts with, and the sets of all ways. Made once for what it is made of."""

    def __init__(self, helper=None):
        self.helper = helper
        sources = [archive(f"{name}{mesos}") for mesos in (OLD, NEW) for name in ("mesos--", "dcos-bits--*+mesos")]
        sources.append(archive("fizzbuzz--1.3.0+mesos1.11.0"))
        digest = hashlib.sha256()
        for path in [*sources, *([helper] if helper else []), *sorted(Path(__file__).parent.glob("*.cpp")), Path(__file__), Path(ways.__file__)]:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        self.build = digest.hexdigest()[:12]
        self.image = HERE / f"template-{self.build}.img"
        self.sets_file = self.image.with_suffix(".json")
        if not self.sets_file.exists():
            for stale in HERE.glob("template-*"):
                shutil.rmtree(stale, ignore_errors=True) if stale.is_dir() else stale.unlink()
            self._make(sources)
        self.sets = json.loads(self.sets_file.read_text())

    def _make(self, sources):
        folder = HERE / f"template-{self.build}.tree"
        packed = folder / "packed"
        root = folder / "disk" / "root"
        for each in (packed, root, folder / "disk" / "work", folder / "disk" / "run"):
            each.mkdir(parents=True)
        sets, made = self._pack(packed)
        for path in [*map(self._with_helper, sources), *made]:
            call(PROGRAMS / "dcos-pkg", "--root", root, "add", path)
        used = sum(int(size) for size in call("du", "--summarize", "--bytes", folder / "disk").split()[:1])
        size = (used * 11 // 10 + SPARE_BYTES) >> 20
        call("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0", "-d", folder / "disk", self.image, f"{size}M")
        # The sets come last: a template without them is none.
        self.sets_file.write_text(json.dumps(sets, indent=1))
        call("chmod", "--recursive", "u+w", folder)
        shutil.rmtree(folder)

    def _with_helper(self, path):
        """The archive, or with another build of the helper in it if one was given."""
        if not self.helper or not path.name.startswith("dcos-bits--"):
            return path
        folder = HERE / "made" / "dcos-bits"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        call("tar", "--extract", "--file", path, "--directory", folder)
        shutil.copyfile(self.helper, folder / "bin" / "dcos-restart-helper")
        call("strip", folder / "bin" / "dcos-restart-helper")
        made = HERE / "made" / path.name
        call("tar", "--create", "--gzip", "--file", made, "--owner=0", "--group=0", "--directory", folder,
             *sorted(each.name for each in folder.iterdir()))
        return made

    def _pack(self, packed):
        made = [module(packed, "saboteur", mesos, saboteur(mesos), "org_example_Saboteur",
                       parameters={"how": {"type": "string"}}, health="/saboteur/health") for mesos in (OLD, NEW)]
        made.append(module(packed, "text", NEW, b"this is no library\n", "org_example_Text"))
        killer = compiled('#include <cstdlib>\n__attribute__((constructor)) static void on() { std::abort(); }\n'
                          '__attribute__((visibility("default"))) int org_example_Killer;\n', "libkiller.so", *MODULE)
        made.append(module(packed, "killer", NEW, killer, "org_example_Killer"))

        def base(mesos, configured, module):
            return [f"mesos--{mesos}", dcos_bits(mesos), identity(configured),
                    *([f"saboteur--1.0.0+mesos{mesos}"] if module else [])]

        sets = {}
        for name, how in (("old", ""), ("old, deaf", "deaf")):
            made.append(config(packed, ways.Way(name, how=how), OLD))
            sets[name] = base(OLD, made[-1], bool(how))
        for way in ways.ALL:
            made.append(config(packed, way, NEW))
            chosen = base(NEW, made[-1], not way.mesos)
            if way.mesos:
                pair = stand_in(packed, way.mesos)
                made += pair
                chosen = [*map(identity, pair), chosen[2]]
            for package in way.packages:
                package = dcos_bits(OLD) if package == "dcos-bits@1.10.0" else package
                name = package.partition("--")[0]
                chosen = [each for each in chosen if each.partition("--")[0] != name] + [package]
            sets[way.name] = chosen
        return sets, made
