"""Sees every step of a machine's journal before anything of it is done, and can stop the helper right there.

The kernel asks a listener before it lets anybody open a file in `state/` (fanotify's permission events). The helper's
worker reads its journal before each step, so the question comes when the journal names the step and nothing of it is done.
Whoever is killed while it waits for the answer is killed at exactly that point: no hook in the code, no race, no sleep.
"""

import ctypes
import json
import os
import select
import struct
import threading
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLASS_CONTENT, _CLOEXEC = 0x4, 0x1
_ADD, _OPEN_PERM, _ON_CHILD = 0x1, 0x10000, 0x08000000
_ALLOW = 0x01
_EVENT = struct.Struct("=IBBHQii")
_ANSWER = struct.Struct("=iI")


def step_of(document):
    """The step that a journal names: `ordered`, `forward.stopping`, `rolled_back`, …"""
    phase = document["phase"]
    return phase if isinstance(phase, str) else "{way}.{step}".format(**phase["moving"])


def is_worker(pid):
    """Whether a process is a helper that walks the journal: the guard's worker, or what systemd's units run."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = set(file.read().split(b"\0"))
    except OSError:
        return False
    return any(kind <= words for kind in ({b"worker"}, {b"start", b"--foreground"}, {b"watch", b"--boot"}, {b"resume", b"--boot"}))


class Watcher:
    """Watches the `state` directory of one machine, from its mount to its end.

    `reached(step, pid)` is called the first time that the worker is about to do a step of the attempt; what it answers
    says whether the worker may go on: if not, it stays where it is until it is killed.
    """

    def __init__(self, directory, reached):
        self.reached = reached
        self.attempt, self.steps = None, []
        self._lock = threading.Lock()
        self._held = []
        self._group = _LIBC.fanotify_init(_CLASS_CONTENT | _CLOEXEC, os.O_RDONLY | os.O_CLOEXEC)
        mask = ctypes.c_uint64(_OPEN_PERM | _ON_CHILD)
        if self._group < 0 or _LIBC.fanotify_mark(self._group, _ADD, mask, -100, os.fsencode(directory)) != 0:
            raise OSError(ctypes.get_errno(), "can't watch", str(directory))
        self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def follow(self, attempt):
        """Begins a new list of steps: those of this attempt."""
        with self._lock:
            self.attempt, self.steps = attempt, []

    def seen(self):
        """The steps of the attempt so far, each with the moment of its first sight."""
        with self._lock:
            return list(self.steps)

    def close(self):
        """Lets everybody go and stops watching."""
        os.write(self._wake[1], b".")
        self._thread.join()
        for descriptor in (self._group, *self._held, *self._wake):
            os.close(descriptor)

    def _run(self):
        while True:
            ready, _, _ = select.select([self._group, self._wake[0]], [], [])
            if self._wake[0] in ready:
                return
            try:
                data = os.read(self._group, 4096)
            except OSError:
                return  # The disk was cut off: nobody opens anything there any more.
            while data:
                length, _, _, _, _, descriptor, pid = _EVENT.unpack_from(data)
                data = data[length:]
                if descriptor < 0:
                    continue
                if self._may_go_on(descriptor, pid):
                    os.write(self._group, _ANSWER.pack(descriptor, _ALLOW))
                    os.close(descriptor)
                else:
                    self._held.append(descriptor)

    def _may_go_on(self, descriptor, pid):
        if not os.readlink(f"/proc/self/fd/{descriptor}").endswith("/state/journal.json") or not is_worker(pid):
            return True
        try:
            document = json.loads(os.pread(descriptor, 1 << 20, 0))
        except ValueError:
            return True
        if document["attempt"] != self.attempt:
            return True
        step = step_of(document)
        with self._lock:
            known = any(step == each for each, _ in self.steps)
            if not known:
                self.steps.append((step, time.monotonic()))
        return known or self.reached(step, pid)
