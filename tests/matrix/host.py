"""A machine of the matrix with a systemd of its own (tests/nspawn/host), which supervises Mesos and goes on after a boot."""

import os
import subprocess

from machine import Machine
from packages import TREE, Broken, call

HOST = TREE / "tests" / "nspawn" / "host"


# A host has a copy of all that is mounted here: the disk of another machine could not be taken away from that one.
WITHOUT_OTHER_DISKS = (
    "unshare", "--mount", "--propagation", "private", "--", "bash", "-c",
    'for disk in "$1"/../*/fs; do [ "$disk" -ef "$1/fs" ] || umount --lazy "$disk" 2>/dev/null; done; shift; exec "$@"',
    "host",
)


class SystemdMachine(Machine):
    """As [`Machine`], with the units of dcos-bits in place of the helper's own guard."""

    supervisor = "systemd"

    def __init__(self, number, template, trees):
        super().__init__(number, template, trees)
        self.host = self.folder / "host"
        self.installed = False

    def set_up(self):
        call(HOST, "make", self.host)
        super().set_up()

    def power_on(self):
        done = subprocess.run(
            [*WITHOUT_OTHER_DISKS, self.folder, HOST, "boot", self.host, "--owner", str(os.getpid()), "--", f"--bind={self.disk}:/mnt",
             f"--bind={os.path.realpath(self.folder / 'groups' / 'memory')}:/media"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        try:
            self.leader = int(call(HOST, "leader", self.host))
        except Broken:
            raise Broken(f"the host does not boot: {done.stderr}") from None

    def power_off(self):
        if self.leader:
            call(HOST, "kill", self.host)
            self.leader = None

    def enter(self):
        return [HOST, "run", self.host]

    def start_helper(self):
        # After the first time it is systemd that starts what a boot has to start.
        if not self.installed:
            self.inside("dcos-restart-helper", "start", "--no-wait", expect=0)
            self.installed = True

    def reread_node(self):
        # The helper reads it when an attempt begins, unless one of before is still there.
        call(*self.enter(), "systemctl", "stop", "dcos-restart-helper.service", "dcos-restart-helper-watch.service")

    def tear_down(self):
        if self.host.exists():
            subprocess.run([HOST, "remove", self.host], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.leader = None
        super().tear_down()
