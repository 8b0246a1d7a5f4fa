"""The matrix of restarts: every way for a new set to be bad, times every fault, on real Mesos.

usage: scripts/restart-matrix [--sample] [--jobs N] [--only WORD]… [--leave-out WORD]… [--list] [--fresh]

It can be stopped at any time and started again: what is in the results file is not run twice. As root.
"""

import argparse
import collections
import dataclasses
import fcntl
import json
import os
import queue
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import ways
from cell import Cell
from host import SystemdMachine
from machine import Machine
from packages import HERE, TREE, Broken, Template, call
from ways import Key


class Results:
    """The results file: one JSON document a line, one line a cell; of several lines of a cell the last one counts."""

    def __init__(self, path, build, fresh):
        self.path, self.build = path, build
        self.lock = threading.Lock()
        self.cells = {}
        if fresh:
            path.unlink(missing_ok=True)
        if path.exists():
            for line in path.read_text().splitlines():
                # The last line of a run that was killed may be cut off.
                try:
                    result = json.loads(line)
                except ValueError:
                    continue
                self.cells[key_of(result)] = result

    def has(self, key):
        """Whether the cell has been run and nothing was wrong."""
        result = self.cells.get(key)
        return bool(result) and "violation" not in result and "broken" not in result

    def add(self, result):
        """Writes a cell down."""
        with self.lock:
            self.cells[key_of(result)] = result
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({**result, "build": self.build}) + "\n")


def key_of(result):
    """The cell of a result."""
    return Key(result["way"], result["fault"], result.get("supervisor", "process"))


def percentiles(name, values):
    """The line of a figure."""
    if len(values) < 2:
        return f"{name}: too few cells"
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return f"{name}: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, worst {max(values):.2f} s ({len(values)} cells)"


def summarize(results, wanted):
    """Prints what is missing, what is wrong, and the figures; answers whether all is well."""
    known = {key: results.cells[key] for key in wanted if key in results.cells}
    missing = [key for key in wanted if key not in results.cells]
    wrong = {key: each for key, each in known.items() if "violation" in each or "broken" in each}
    for key in missing[:40]:
        print(f"missing: {key}")
    if len(missing) > 40:
        print(f"missing: and {len(missing) - 40} more")
    for key, each in wrong.items():
        print(f"violation: {key}: {each.get('violation') or each['broken']}")
    known = list(known.values())
    older = sum(each.get("build", results.build) != results.build for each in known)
    if older:
        print(f"{older} cells were run with another build; --fresh runs them again")
    for each in known:
        if "(default deadlines)" in each["way"] and "absence_s" in each:
            print(f"{each['way']}: registered again {each['absence_s']:.1f} s after the old Mesos was gone")
    short = [each for each in known if "(default deadlines)" not in each["way"] and each["fault"] == "none"]
    print(percentiles("detection of a bad set, from its start", [e["detection_s"] for e in short if "detection_s" in e]))
    print(percentiles("absence of Mesos, sets that are well",
                      [e["absence_s"] for e in short if "absence_s" in e and e["end"] == "confirmed"]))
    print(percentiles("absence of a registered agent, sets that are rolled back",
                      [e["absence_s"] for e in short if "absence_s" in e and e["end"] == "rolled_back"]))
    ends = collections.Counter(each.get("end", "?") for each in known)
    print("ends: " + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    tried = {way.name: way for way in wanted.values()}
    live = sum(way.end not in ("refused", "confirmed") for way in tried.values())
    print(f"{len(tried)} ways, {live} of them pass pre-flight and are bad live")
    print(f"{len(known)} of {len(wanted)} cells, {len(wrong)} violations")
    return not missing and not wrong


def work(number, template, trees, queues, results, stop):
    """Runs cells on one machine until there are none, with a new machine after whatever went wrong."""
    machine = None
    while not stop.is_set():
        try:
            key, way = queues[0].get_nowait()
        except queue.Empty:
            # Then those of the other supervisor, if there are any: on a machine of its kind.
            queues = queues[1:]
            if machine:
                machine.tear_down()
                machine = None
            if queues:
                continue
            break
        cell = None
        try:
            if machine is None:
                machine = (SystemdMachine if key.supervisor == "systemd" else Machine)(number, template, trees)
                machine.set_up()
            cell = Cell(machine, way, key.fault)
            result = cell.run()
        except Exception as error:  # pylint: disable=broad-except
            result = {**dataclasses.asdict(key), "broken": f"no machine: {error}"}
        if stop.is_set():
            break
        if "violation" not in result and "broken" not in result:
            try:
                cell.restore()
            except Exception as error:  # pylint: disable=broad-except
                result["broken"] = f"the machine can't go on: {error}"
        results.add(result)
        wrong = result.get("violation") or result.get("broken")
        left = sum(each.qsize() for each in queues)
        print(f"{time.strftime('%H:%M:%S')} {left:4} left  {key}: "
              f"{'VIOLATION: ' + wrong if wrong else result.get('end')} ({result.get('seconds', 0)} s)", flush=True)
        if wrong and machine:
            keep(machine, key)
            machine.tear_down()
            machine = None
    if machine:
        machine.tear_down()


def keep(machine, key):
    """Keeps what tells why a cell went wrong."""
    folder = HERE / "violations" / str(key).replace(" / ", "-").replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("state", "generations"):
        subprocess.run(["cp", "--archive", machine.disk / "root" / name, folder], check=False, stderr=subprocess.DEVNULL)
    for path in (machine.folder / "master.log", machine.folder / "init.log", machine.disk / "node.toml"):
        subprocess.run(["cp", path, folder], check=False, stderr=subprocess.DEVNULL)


def chosen(options):
    """The cells that are asked for."""
    cells = ways.cells()
    if options.sample:
        if unknown := ways.SAMPLE - cells.keys():
            raise Broken(f"the sample names cells that there are not: {unknown}")
        cells = {key: way for key, way in cells.items() if key in ways.SAMPLE}
    if options.supervisor:
        cells = {key: way for key, way in cells.items() if key.supervisor == options.supervisor}
    if options.only:
        cells = {key: way for key, way in cells.items() if any(word in str(key) for word in options.only)}
    return {key: way for key, way in cells.items() if not any(word in str(key) for word in options.leave_out)}


def alone():
    """Goes on in a mount namespace of its own: nobody else holds our disks, and they go with us."""
    if os.geteuid() != 0:
        sys.exit("error: the matrix mounts disks and makes namespaces: it needs root")
    if "RESTART_MATRIX_ALONE" not in os.environ:
        os.environ["RESTART_MATRIX_ALONE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", sys.executable, "-B", *sys.argv])
    HERE.mkdir(parents=True, exist_ok=True)
    lock = open(HERE / "lock", "w")  # Held to the end of the process.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Broken(f"another run of the matrix is under way: it holds `{HERE / 'lock'}`") from None
    # What is mounted and unmounted below is so in the machines' namespaces too.
    machines = HERE / "machines"
    machines.mkdir(parents=True, exist_ok=True)
    call("mount", "--bind", machines, machines)
    call("mount", "--make-shared", machines)
    return lock


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--sample", action="store_true", help="a few cells of every kind, for `make test`")
    arguments.add_argument("--jobs", type=int, default=3 * (os.cpu_count() or 1), help="machines at a time")
    arguments.add_argument("--only", action="append", default=[], metavar="WORD", help="cells whose name has the word")
    arguments.add_argument("--leave-out", action="append", default=[], metavar="WORD", help="not those with the word")
    arguments.add_argument("--supervisor", choices=("process", "systemd"), help="cells under this supervisor")
    arguments.add_argument("--list", action="store_true", help="print the cells and run none")
    arguments.add_argument("--fresh", action="store_true", help="forget earlier results")
    arguments.add_argument("--helper", type=Path, metavar="FILE", help="another build of the helper than the packages'")
    options = arguments.parse_args()
    wanted = chosen(options)
    if options.list:
        print("\n".join(map(str, wanted)))
        return 0
    lock = alone()
    template = Template(options.helper)
    trees = dict(line.split(" ", 1) for line in call(TREE / "tests" / "mesos" / "prepare").splitlines())
    name = "sample.jsonl" if options.sample else "results.jsonl"
    results = Results(HERE / name, template.build, options.fresh or options.sample)
    queues = {"process": queue.Queue(), "systemd": queue.Queue()}
    # Mixed, and the same each time: cells that only wait beside cells that work.
    for key, way in random.Random(0).sample(sorted(wanted.items(), key=str), len(wanted)):
        if not results.has(key):
            queues[key.supervisor].put((key, way))
    count = sum(each.qsize() for each in queues.values())
    print(f"{len(wanted)} cells, {count} of them to be run; results in {results.path}", flush=True)
    stop = threading.Event()
    # Whoever started us in the background has these ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    threads = []
    for number in range(max(1, min(options.jobs, count))):
        # Every third machine begins with those of systemd.
        order = [queues["systemd"], queues["process"]] if number % 3 == 2 else [queues["process"], queues["systemd"]]
        threads.append(threading.Thread(target=work, args=(number, template, trees, order, results, stop)))
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    except KeyboardInterrupt:
        print("\nstopping: each machine ends its cell, which is not counted", flush=True)
        stop.set()
        for thread in threads:
            thread.join()
    well = summarize(results, wanted)
    lock.close()
    return 0 if well else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as error:
        sys.exit(f"error: {error}")
