"""One cell of the matrix: a way for a set to be bad, and a fault, on one machine; and whether what came of it is right."""

import json
import os
import shutil
import signal
import socket
import threading
import time

from machine import get, until
from packages import Broken
from ways import FILLER, HOME, NEW, OLD

# Longer than anything but the default deadlines.
LIMIT = 120.0
# Without a pulse for so long a master gives an agent up.
GIVEN_UP = 75.0

FINAL = ("confirmed", "rolled_back", "cancelled")


class Violation(Exception):
    """The promise was not kept, told in a sentence."""


def demand(claim, holds):
    """Ends the cell with a violation unless the claim holds."""
    if not holds:
        raise Violation(claim)


class Cell:
    """A run of one cell. `result` is what is written down of it."""

    def __init__(self, machine, way, fault):
        self.machine, self.way, self.fault = machine, way, fault
        self.kind, _, self.where = fault.partition("@")
        self.fired = threading.Event()
        self.host_lost = threading.Event()
        self.result = {"way": way.name, "fault": fault, "supervisor": machine.supervisor}
        self.attempt = f"cell-{machine.restarts}"
        self.weather_over = False
        machine.restarts += 1

    def run(self):
        """Runs the cell; answers its result, with `violation` if there is one."""
        began = time.monotonic()
        try:
            if self.way.end == "refused":
                self._refused()
            else:
                self._prepare()
                self._attempt()
                self._judge()
        except Violation as violation:
            self.result["violation"] = str(violation)
        except (Broken, OSError, ValueError, KeyError, TypeError) as error:
            self.result["broken"] = f"{type(error).__name__}: {error}"
        finally:
            self.machine.reached = lambda step, pid: True
            if self.listener:
                self.listener.close()
        self.result["seconds"] = round(time.monotonic() - began, 1)
        self.result["steps"] = [step for step, _ in self.machine.watcher.seen()] if self.machine.watcher else []
        return self.result

    listener = None

    # Before.

    def _prepare(self):
        machine, way = self.machine, self.way
        unreachable = None
        if way.weather == "unreachable":
            # It takes connections, and never says a word.
            self.listener = socket.create_server(("127.0.0.1", 0))
            unreachable = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        if machine.write_node(way, unreachable):
            machine.reread_node()
        if way.weather == "deaf":
            self._go("old, deaf", f"{self.attempt}-before")
            until("the deaf set is confirmed", lambda: machine.step()[0] == "confirmed" and machine.step()[1]["closed"], 60)
        if way.weather == "mend":
            # The master knows of an agent a moment before the agent writes down who it is.
            until("the agent has its checkpoint", lambda: self._checkpoint().is_file())
            shutil.copyfile(self._checkpoint(), machine.folder / "checkpoint")

    def _go(self, name, attempt):
        done = self.machine.inside(
            "dcos-restart-helper", "run", "--json", "--no-wait", "--retry-failed", "--attempt", attempt,
            "--set", *self.machine.template.sets[name])
        demand(f"pre-flight lets it pass: {done.stdout}{done.stderr}", done.returncode == 0)

    # The attempt, and the fault.

    def _reached(self, step, pid):
        """The worker is about to do a step: this is where it is killed, or its whole host."""
        if step == "forward.stopping" and self.way.weather == "leaderless":
            self.machine.stop_master()
        if step != self.where or self.fired.is_set():
            return True
        self.fired.set()
        if self.kind == "helper":
            os.kill(pid, signal.SIGKILL)
            return True
        # It waits for an answer that never comes.
        self.host_lost.set()
        return False

    def _attempt(self):
        machine = self.machine
        machine.watcher.follow(self.attempt)
        machine.reached = self._reached
        self._go(self.way.name, self.attempt)
        deadline = time.monotonic() + LIMIT * (2 if self.way.defaults else 1)
        while True:
            if self.host_lost.is_set():
                self.host_lost.clear()
                self._lose()
            step, journal = machine.step()
            if journal and journal["attempt"] == self.attempt:
                self._weather(step)
                if step in FINAL and journal["closed"] and self._fault_is_over(step):
                    break
            if time.monotonic() > deadline:
                raise Violation(f"it still stands at `{step}` after {LIMIT:.0f} s")
            time.sleep(0.05)
        self.journal = journal

    def _lose(self):
        machine = self.machine
        before = machine.watcher.seen()[-1][0]
        step, journal = machine.lose()
        demand(f"the journal of the step `{before}` outlives its host: it says `{step}`",
               journal and journal["attempt"] == self.attempt and step == before)
        # What is left to do where no init system starts the helper at a boot.
        machine.start_helper()

    def _fault_is_over(self, step):
        if self.kind == "none":
            return True
        if not self.fired.is_set():
            # The helper may have written its last step and not looked at it yet.
            return step != self.where
        return not self.host_lost.is_set()

    def _weather(self, step):
        """The weather gets better once it has done what it came for."""
        if self.weather_over:
            return
        pending = self.kind != "none" and not self.fired.is_set()
        if self.way.weather == "leaderless":
            over = step in FINAL or step == "unconfirmed" or (step.startswith("back.") and not pending)
            minute = not self.way.defaults or self._since("forward.stopping") > 60
            if over and minute and not (pending and self.where == "unconfirmed"):
                self.weather_over = True
                self.machine.start_master()
        elif self.way.weather == "mend" and step in ("lost", *FINAL):
            if not (pending and self.where.split(".")[0] in ("lost", "again")):
                self.weather_over = True
                shutil.copyfile(self.machine.folder / "checkpoint", self._checkpoint())

    def _checkpoint(self):
        return self.machine.disk / f"work/meta/slaves/{self.machine.agent_id}/slave.info"

    def _since(self, step):
        found = [at for each, at in self.machine.watcher.seen() if each == step]
        return time.monotonic() - found[0] if found else 0.0

    # After.

    def _judge(self):
        machine, way = self.machine, self.way
        step, journal = machine.step()
        seen = machine.watcher.seen()
        steps = [each for each, _ in seen]
        demand(f"the fault fires: `{self.where}` is not among {steps}", self.kind == "none" or self.fired.is_set())
        self.result["end"], self.result["detail"] = step, journal["detail"][:300]

        # A host that is lost between the order and the first deed comes back with nothing done.
        wanted = "cancelled" if self.fault == "host@ordered" else way.end.split(", then ")[-1]
        demand(f"it ends {wanted}, and not {step}: {journal['detail']}", step == wanted)
        if wanted != "cancelled":
            for passed in way.end.split(", then ")[:-1]:
                demand(f"it was {passed} meanwhile: {steps}", passed in steps or self.kind == "host")

        # Exactly one complete set.
        version = NEW if wanted == "confirmed" else OLD
        generation = journal["to"] if wanted == "confirmed" else journal["from"]
        active = os.path.basename(os.readlink(machine.disk / "root" / "active"))
        demand(f"generation {generation} is active, and not {active}", active == str(generation))
        mesos = until("Mesos is written down", lambda: machine.document("mesos.json"))
        until(f"/version says {version}", lambda: machine.version() == version)
        until("it is registered under the id that it had", lambda: machine.registered_id() == machine.agent_id, 60)
        registered = time.monotonic()
        mesos = machine.document("mesos.json")
        demand(f"the Mesos that runs is of generation {generation}: {mesos}", mesos["generation"] == generation)
        try:
            until("one Mesos runs, the one that is written down", lambda: machine.mesos_processes() == [mesos["pid"]], 20)
        except Broken as error:
            raise Violation(f"{error}: {machine.mesos_processes()}, {mesos}") from None
        self._generation_is_whole(generation)

        # What is told of it.
        failed = (machine.document("failed-sets.json") or {"sets": []})["sets"]
        remembered = any(each["attempt"] == self.attempt for each in failed)
        demand(f"the set is remembered as failed: {remembered}", remembered == (wanted == "rolled_back" and way.remembered))
        status = machine.inside("dcos-restart-helper", "status", "--json", expect=0)
        demand("the report names the attempt", f'"{self.attempt}"' in status.stdout)

        # Figures.
        moments = dict(reversed(seen))
        turned = moments.get("back.stopping")
        if self.kind == "none" and turned and "forward.watching" in moments:
            self.result["detection_s"] = round(turned - moments["forward.watching"], 2)
        if self.kind == "none" and "forward.stopped" in moments:
            if wanted == "confirmed" and journal["absence_ms"] is not None:
                self.result["absence_s"] = journal["absence_ms"] / 1000
            elif wanted == "rolled_back":
                self.result["absence_s"] = round(self._back_at(registered) - moments["forward.stopped"], 2)
        if way.defaults and wanted == "rolled_back":
            demand(f"it is registered again within {GIVEN_UP:.0f} s: {self.result['absence_s']}",
                   self.result["absence_s"] < GIVEN_UP)

    def _back_at(self, registered):
        """When the agent was registered again: the master says since when it has been."""
        agents = (get(self.machine.master_port, "/master/slaves") or {}).get("slaves", [])
        times = [each.get("reregistered_time") for each in agents if each["id"] == self.machine.agent_id]
        return time.monotonic() - (time.time() - times[0]) if times and times[0] else registered

    def _generation_is_whole(self, generation):
        folder = self.machine.disk / "root" / "generations" / str(generation)
        demand("its generation has its documents", all((folder / name).is_file() for name in ("set.json", "environment")))
        for parent, _, files in os.walk(folder):
            for name in files:
                path = os.path.join(parent, name)
                if os.path.islink(path):
                    # Absolute links are of the machine's own tree.
                    target = os.readlink(path)
                    if target.startswith(HOME):
                        target = str(self.machine.disk) + target.removeprefix(HOME)
                    demand(f"`{path}` leads somewhere", os.path.exists(os.path.join(parent, target)))

    def _refused(self):
        machine = self.machine
        before = machine.step()[1], machine.document("mesos.json"), os.readlink(machine.disk / "root" / "active")
        done = machine.inside("dcos-restart-helper", "run", "--json", "--no-wait", "--attempt", self.attempt,
                              "--set", *machine.template.sets[self.way.name])
        demand(f"it is refused: {done.stdout}{done.stderr}", done.returncode == 3)
        after = machine.step()[1], machine.document("mesos.json"), os.readlink(machine.disk / "root" / "active")
        demand("nothing has changed", before == after)
        demand("Mesos goes on", machine.version() == OLD and machine.registered_id() == machine.agent_id)
        self.result["end"] = "refused"

    # For the next one.

    def _old_is_active(self):
        root = self.machine.disk / "root"
        document = json.loads((root / "generations" / os.path.basename(os.readlink(root / "active")) / "set.json").read_text())
        return sorted(document["set"]) == sorted(self.machine.template.sets["old"])

    def restore(self):
        """Puts the machine into the state in which cells begin: the old set runs, and nothing is left of this one."""
        machine = self.machine
        (machine.disk / FILLER.removeprefix(f"{HOME}/")).unlink(missing_ok=True)
        (machine.state / "log" / "mesos.log.1").unlink(missing_ok=True)
        if not machine.master:
            machine.start_master()
        if not self._old_is_active():
            attempt = f"{self.attempt}-after"
            self._go("old", attempt)
            until("the old set is back", lambda: machine.step()[0] == "confirmed"
                  and machine.step()[1]["attempt"] == attempt and machine.step()[1]["closed"], 60)
        until("the agent is registered", machine.registered_id, 60)
