"""Real tasks on the demo's agents: one each, of a framework that checkpoints, so that they outlive their agent's restarts."""

import json
import subprocess
import sys
from pathlib import Path

import processes
from show import say, until

FRAMEWORK = Path(__file__).resolve().parent.parent / "tests" / "mesos" / "tasks" / "mesos-test-framework"

# Nobody else sleeps as long: a task is found by it.
SECONDS = "864000"


class Tasks:
    """The framework, and what is known of its tasks at the moments that the demo shows."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.moments = []
        self.output = cluster.directory / "framework.log"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(FRAMEWORK), "--master", cluster.master.name, "--name", "demo",
                 "--tasks", str(len(cluster.agents)), "--command", f"exec sleep {SECONDS}"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={processes.MARK: str(cluster.directory)},
            )
        until("a task runs on every agent", lambda: len(self.living()) == len(cluster.agents)
              and self.states().count("TASK_RUNNING") == len(cluster.agents))

    def living(self):
        """The task of each agent: its pid and start time, which together mean one process for ever."""
        found = {}
        for pid in processes.of(self.cluster.directory):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[:2] == [b"sleep", SECONDS.encode()]:
                sandbox = Path(f"/proc/{pid}/cwd").resolve()
                for agent in self.cluster.agents:
                    if agent.directory.resolve() in sandbox.parents:
                        found[agent.name] = (pid, processes.start_time(pid))
        return found

    def states(self):
        """The states that Mesos has told the framework of, in their order."""
        events = [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]
        return [event["state"] for event in events if event["event"] == "update"]

    def note(self, moment):
        """Notes the tasks of this moment."""
        self.moments.append((moment, self.living()))

    def table(self):
        """Prints the tasks at every moment that was noted."""
        columns = [["agent", *(agent.name for agent in self.cluster.agents)]]
        for moment, living in self.moments:
            tasks = (living.get(agent.name) for agent in self.cluster.agents)
            columns.append([moment, *(f"{task[0]}, started {task[1]}" if task else "gone" for task in tasks)])
        widths = [max(map(len, column)) for column in columns]
        say("")
        say("the task's pid, and when it was started (in ticks of the kernel since the boot)")
        for row in zip(*columns):
            say("   ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip())

    def run_on(self):
        """Whether the framework has heard of nothing but TASK_RUNNING once all ran; the restarted master repeats that."""
        states = self.states()
        return set(states[states.index("TASK_RUNNING"):]) <= {"TASK_RUNNING", "TASK_STARTING"} and \
            states.count("TASK_STARTING") == len(self.cluster.agents)

    def unchanged(self):
        """Whether every task is the process that it was at first."""
        return all(living == self.moments[0][1] for _, living in self.moments)
