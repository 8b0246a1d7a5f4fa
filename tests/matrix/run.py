"""The matrix of restarts: every way for a new set to be bad, times every fault, on real Mesos.

usage: scripts/restart-matrix [--sample] [--jobs N] [--only WORD]… [--list] [--fresh]

It can be stopped at any time and started again: what is in the results file is not run twice. As root.
"""

import argparse
import collections
import json
import os
import queue
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import ways
from cell import Cell
from machine import Machine
from packages import HERE, TREE, Broken, Template, call


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
                self.cells[result["way"], result["fault"]] = result

    def has(self, way, fault):
        """Whether the cell has been run and nothing was wrong."""
        result = self.cells.get((way.name, fault))
        return bool(result) and "violation" not in result and "broken" not in result

    def add(self, result):
        with self.lock:
            self.cells[result["way"], result["fault"]] = result
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({**result, "build": self.build}) + "\n")


def percentiles(name, values):
    """The line of a figure."""
    if len(values) < 2:
        return f"{name}: too few cells"
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return f"{name}: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, worst {max(values):.2f} s ({len(values)} cells)"


def summarize(results, wanted):
    """Prints what is missing, what is wrong, and the figures; answers whether all is well."""
    known = [results.cells[way.name, fault] for way, fault in wanted if (way.name, fault) in results.cells]
    missing = [f"{way.name} / {fault}" for way, fault in wanted if (way.name, fault) not in results.cells]
    wrong = [each for each in known if "violation" in each or "broken" in each]
    for each in missing[:40]:
        print(f"missing: {each}")
    if len(missing) > 40:
        print(f"missing: and {len(missing) - 40} more")
    for each in wrong:
        print(f"violation: {each['way']} / {each['fault']}: {each.get('violation') or each['broken']}")
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
    live = sum(way.end not in ("refused", "confirmed") for way in {way.name: way for way, _ in wanted}.values())
    print(f"{len({way.name for way, _ in wanted})} ways, {live} of them pass pre-flight and are bad live")
    print(f"{len(known)} of {len(wanted)} cells, {len(wrong)} violations")
    return not missing and not wrong


def work(number, template, trees, cells, results, stop):
    """Runs cells on one machine until there are none, with a new machine after whatever went wrong."""
    machine = None
    while not stop.is_set():
        try:
            way, fault = cells.get_nowait()
        except queue.Empty:
            break
        try:
            if machine is None:
                machine = Machine(number, template, trees)
                machine.set_up()
            cell = Cell(machine, way, fault)
            result = cell.run()
        except Exception as error:  # pylint: disable=broad-except
            result = {"way": way.name, "fault": fault, "broken": f"no machine: {error}"}
            traceback.print_exc()
        if stop.is_set():
            break
        wrong = result.get("violation") or result.get("broken")
        results.add(result)
        print(f"{time.strftime('%H:%M:%S')} {cells.qsize():4} left  {way.name} / {fault}: "
              f"{'VIOLATION: ' + wrong if wrong else result.get('end')} ({result.get('seconds', 0)} s)", flush=True)
        if not wrong:
            try:
                cell.restore()
                continue
            except Exception as error:  # pylint: disable=broad-except
                results.add({**result, "broken": f"the machine can't go on: {error}"})
                print(f"BROKEN after {way.name} / {fault}: {error}", flush=True)
        if machine:
            keep(machine, way, fault)
            machine.tear_down()
            machine = None
    if machine:
        machine.tear_down()


def keep(machine, way, fault):
    """Keeps what tells why a cell went wrong."""
    folder = HERE / "violations" / f"{way.name}-{fault}".replace(" ", "-").replace("/", "-")
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
        cells = [(way, fault) for way, fault in cells if (way.name, fault) in ways.SAMPLE]
        assert len(cells) == len(ways.SAMPLE), "every cell of the sample is one of the matrix"
    if options.only:
        cells = [(way, fault) for way, fault in cells
                 if any(word in f"{way.name} / {fault}" for word in options.only)]
    return cells


def alone():
    """Goes on in a mount namespace of its own: nobody else holds our disks, and they go with us."""
    if os.geteuid() != 0:
        sys.exit("error: the matrix mounts disks and makes namespaces: it needs root")
    if "RESTART_MATRIX_ALONE" not in os.environ:
        os.environ["RESTART_MATRIX_ALONE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", sys.executable, "-B", *sys.argv])
    # What is mounted and unmounted below is so in the machines' namespaces too.
    machines = HERE / "machines"
    machines.mkdir(parents=True, exist_ok=True)
    call("mount", "--bind", machines, machines)
    call("mount", "--make-shared", machines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--sample", action="store_true", help="a few cells of every kind, for `make test`")
    arguments.add_argument("--jobs", type=int, default=3 * (os.cpu_count() or 1), help="machines at a time")
    arguments.add_argument("--only", action="append", default=[], metavar="WORD", help="cells whose name has the word")
    arguments.add_argument("--list", action="store_true", help="print the cells and run none")
    arguments.add_argument("--fresh", action="store_true", help="forget earlier results")
    arguments.add_argument("--helper", type=Path, metavar="FILE", help="another build of the helper than the packages'")
    options = arguments.parse_args()
    wanted = chosen(options)
    if options.list:
        print("\n".join(f"{way.name} / {fault}" for way, fault in wanted))
        return 0
    alone()
    template = Template(options.helper)
    trees = dict(line.split(" ", 1) for line in call(TREE / "tests" / "mesos" / "prepare").splitlines())
    name = "sample.jsonl" if options.sample else "results.jsonl"
    results = Results(HERE / name, template.build, options.fresh or options.sample)
    cells = queue.Queue()
    # Mixed, and the same each time: cells that only wait beside cells that work.
    for way, fault in random.Random(0).sample(wanted, len(wanted)):
        if not results.has(way, fault):
            cells.put((way, fault))
    print(f"{len(wanted)} cells, {cells.qsize()} of them to be run; results in {results.path}", flush=True)
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(number, template, trees, cells, results, stop))
               for number in range(max(1, min(options.jobs, cells.qsize())))]
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
    return 0 if summarize(results, wanted) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as error:
        sys.exit(f"error: {error}")
