"""The demo's own processes: found without doubt, and ended without touching any other.

Helpers detach themselves, and each starts a Mesos that must outlive it, so neither parents nor sessions tell whose a
process is. But everything that the demo leaves running in the background is a program *below its own directory*: Mesos
and the helpers run from the packages of their node, the repositories' server from a copy. `/proc/<pid>/exe` says so, also
after the file has been removed. Tasks run whatever they are told to: their environment names a sandbox below the directory,
and that of the framework which launches them has a mark of our own.
"""

import os
import signal
import time
from pathlib import Path


# The variable that marks a process which is no program of the directory.
MARK = "DCOS_BITS_DEMO"


def of(directory):
    """The living processes whose program, or whose sandbox, lies below `directory`."""
    prefix = f"{directory.resolve()}/"
    marks = tuple(f"{name}={directory.resolve()}".encode() for name in ("MESOS_SANDBOX", "MESOS_DIRECTORY", MARK))
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            program = os.readlink(entry / "exe")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended meanwhile, or is somebody else's
        if program.startswith(prefix) or any(each.startswith(marks) for each in environment):
            found.append(int(entry.name))
    return found


def end(directory, patience=5.0):
    """Ends them all: asked first, then killed; a supervisor may start another one meanwhile, so until none is left."""
    deadline = time.monotonic() + patience
    while pids := of(directory):
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # it has ended meanwhile
        time.sleep(0.1)


def start_time(pid):
    """When `pid` was started, in the kernel's ticks: with the pid it names a process for ever. `None` if it is gone."""
    try:
        # The name in parentheses may contain anything; the numbered fields follow the last one.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
