"""Debian roots to try things in: made once by debootstrap, and each user of one gets a layer of its own on top.

Nothing has to be unmounted: what a layer needs is mounted in a mount namespace of its own, which is gone with its last
process, whatever becomes of the test.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", TREE / "target")).resolve()
CACHE = Path(os.environ.get("DCOS_BITS_CACHE")
             or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcos-bits")

# A root that can boot, and nothing that our package could need beyond what it says itself.
PACKAGES = ["systemd"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Mounts a layer over those below it, enters it, and becomes the command.
ENTER = """
set -eu
lower=$1 top=$2 user=$3 binds=$4; shift 4
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$top/upper,workdir=$top/work" "$top/disk"
mount -t proc proc "$top/disk/proc"
mount --rbind /sys "$top/disk/sys"
mount --rbind /dev "$top/disk/dev"
while [ "$binds" -gt 0 ]; do
    mkdir -p "$top/disk$2"
    mount --bind "$1" "$top/disk$2"
    shift 2; binds=$((binds - 1))
done
exec chroot --userspec="$user" "$top/disk" /usr/bin/env -i "$@"
"""


class Failed(Exception):
    """What was tried, and what came of it."""


def call(*command, code=0, named=None, **options):
    """Runs a command; what it printed, if it ended as it should. `named` is what to call it if not."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != code:
        named = named or " ".join(map(str, command))
        raise Failed(f"`{named}` ended with {done.returncode} and not with {code}:\n{done.stdout}")
    return done.stdout


def until(what, condition, seconds=30):
    """Waits for a condition, and answers what it did."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return found


def expect(what, condition):
    """Fails unless it is so."""
    if not condition:
        raise Failed(what)


def digest(*parts):
    """What a thing in the cache is made from, in a few digits."""
    parts = (part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def kept(name, make):
    """A folder of the cache, made by `make(folder)` if it is not there. Half a folder is never taken for one."""
    folder = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = CACHE / f"{name}.half"
            shutil.rmtree(half, ignore_errors=True)
            make(half)
            half.rename(folder)
    return folder


def debian():
    """The bare root."""
    script = TREE / "scripts" / "debian-root"

    def make(folder):
        print("making a Debian root (about a minute)", flush=True)
        call(script, folder, *PACKAGES)
        for archive in (folder / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()

    return kept(f"debian-{digest(script.read_bytes(), *PACKAGES)}", make)


class Files:
    """The files of a root that nobody changes: folders that lie on each other, the topmost first."""

    def __init__(self, below):
        self.below = [Path(each) for each in below]

    def stack(self):
        """The folders, for whoever puts a layer on top."""
        return self.below

    def find(self, path):
        """Where a file lies out here."""
        for folder in self.stack():
            if os.path.lexists(found := folder / str(path).lstrip("/")):
                return found
        raise Failed(f"`{path}` is in none of {self.stack()}")


class Layer(Files):
    """A root: what was changed, over what lies below."""

    def __init__(self, top, below):
        super().__init__(below)
        self.top = Path(top)
        for name in ("upper", "work", "disk"):
            (self.top / name).mkdir(parents=True, exist_ok=True)

    def stack(self):
        """What was changed, and what lies below it."""
        return [self.top / "upper", *self.below]

    def command(self, words, user="0:0", environment=None, binds=None):
        """The command line that enters the layer and becomes `words`."""
        pairs = [str(part) for out, within in (binds or {}).items() for part in (out, within)]
        variables = {"PATH": PATH, "HOME": "/", "LANG": "C.UTF-8", **(environment or {})}
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--",
                "/bin/sh", "-c", ENTER, "enter", ":".join(map(str, self.below)), str(self.top), user,
                str(len(pairs) // 2), *pairs, *[f"{name}={value}" for name, value in variables.items()],
                *[str(word) for word in words]]

    def run(self, *words, code=0, **how):
        """Runs a command inside, in a process tree of its own; answers what it printed."""
        named = f"{' '.join(map(str, words))}, in {self.top.name}"
        return call(*self.command(words, **how), code=code, named=named)


class Host:
    """A machine of such files with a systemd as PID 1, by tests/nspawn/host."""

    def __init__(self, folder, below):
        self.folder = Path(folder)
        self.verb("make", "--root", ":".join(map(str, below)))
        self.verb("boot", "--owner", os.getpid())

    def verb(self, verb, *words):
        """Calls the script."""
        return call(TREE / "tests/nspawn/host", verb, self.folder, *words)

    def run(self, *words, code=0):
        """Runs a command inside; answers what it printed."""
        return call(TREE / "tests/nspawn/host", "run", self.folder, *words, code=code)

    def path(self, path):
        """A file of the running host, as it is found out here."""
        return Path(f"/proc/{self.verb('leader').strip()}/root{path}")

    def write(self, path, text):
        """Writes a file inside."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def shared(self):
        """The folder that is /shared inside."""
        return self.folder / "shared"

    def processes(self):
        """The command lines of everything that runs inside, PID 1 and the kernel's view of it aside."""
        tell = "for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline 2>/dev/null && echo; done"
        return [line for line in self.run("/bin/sh", "-c", tell).splitlines() if line.strip()]

    def remove(self):
        """A power cut, and nothing is left."""
        self.verb("remove")
