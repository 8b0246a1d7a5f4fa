"""Agents on moto's EC2, with every fault of `ec2_proxy.py`, and provisioning killed at every write of its log.

Each run asks for two agents in a cluster of its own, lets the program die at one instant (before or after one write of its
log), and starts it again until its operation ends. What there is then is read from moto itself, not from our own list:
every agent that was promised has one machine, and there is no other.

The last line is `asked N, made N, leaked 0, doubled 0`; anything else ends with 1.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parents[2]
AGENTS = 2  # What each run asks for.
RUN = 180  # Seconds that one run may take.

CONFIG = """\
cluster = "{cluster}"
[provider]
name = "ec2"
program = "{program}"
[provider.settings]
region = "us-east-1"
endpoint = "http://127.0.0.1:{port}"
[limits]
launches_per_minute = 1000
[deadlines]
launch = 120
horizon = 6
join = 12
[bootstrap]
masters = ["http://10.0.0.1:5050"]
package = {{ url = "http://10.0.0.9/dcos-bits.tar.gz", sha256 = "{digest}" }}
[classes.large]
group = "agents"
[classes.large.settings]
image = "{image}"
instance_types = ["m5.2xlarge", "m5.xlarge", "m5.large"]
subnets = {subnets}
"""


def environment(keys):
    """Credentials that moto takes, if any, and nothing of whoever runs this."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"} if keys else {"HOME": "/nonexistent"}
    return keep | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "2"} | credentials


class Cloud:
    """moto and the proxy before it."""

    def __init__(self, seed, deny=False):
        self.processes = []
        self.moto = self.start_moto()
        proxy = [sys.executable, str(ROOT / "tests/aws/ec2_proxy.py"), "--moto", str(self.moto), "--seed", seed]
        process = subprocess.Popen(proxy + (["--deny"] if deny else []), stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        self.proxy = int(process.stdout.readline())
        endpoint = f"http://127.0.0.1:{self.moto}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.ec2 = boto3.client("ec2", region_name="us-east-1", endpoint_url=endpoint, **keys)
        self.image = self.ec2.describe_images()["Images"][0]["ImageId"]
        self.subnets = [subnet["SubnetId"] for subnet in self.ec2.describe_subnets()["Subnets"]][:3]

    def start_moto(self):
        """moto takes a port and no 0, so one that was free a moment ago is tried until it listens."""
        import socket

        program = Path(sys.executable).with_name("moto_server")
        for _ in range(10):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            process = subprocess.Popen(
                [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            until = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < until:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).read()
                    self.processes.append(process)
                    return port
                except OSError:
                    time.sleep(0.05)
            process.kill()
        raise SystemExit("error: moto does not start\nhint: run `tests/aws/prepare`, and `moto_server -p 0` by hand")

    def instances(self, cluster, live=True):
        """The instances of a cluster, as moto has them."""
        filters = [{"Name": "tag:dcos-bits:cluster", "Values": [cluster]}]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        found = [it for page in pages for reservation in page["Reservations"] for it in reservation["Instances"]]
        return [it for it in found if not live or it["State"]["Name"] not in ("terminated", "shutting-down")]

    def faults(self):
        return json.load(urllib.request.urlopen(f"http://127.0.0.1:{self.proxy}/"))

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


class Site:
    """One cluster: its configurations and its log."""

    def __init__(self, cloud, directory, cluster, programs):
        self.cloud, self.cluster, self.programs = cloud, cluster, programs
        self.log = directory / "log.json"
        values = {"cluster": cluster, "program": programs[0], "digest": "0" * 64}
        values |= {"image": cloud.image, "subnets": json.dumps(cloud.subnets)}
        self.config, self.direct = directory / "provision.toml", directory / "direct.toml"
        self.config.write_text(CONFIG.format(port=cloud.proxy, **values))
        self.direct.write_text(CONFIG.format(port=cloud.moto, **values))

    def run(self, *words, die=None, broken=False, keys=True):
        """Runs the service with one request; answers its exit code, its document and how many instants it had."""
        command = [self.programs[1], self.config, self.log, self.direct, *words]
        command += ["--die", str(die)] if die else []
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=RUN,
            env=environment(keys) | ({"STAND_IN_IMAGE_IS_BROKEN": "yes"} if broken else {}),
        )
        document = json.loads(done.stdout) if done.stdout.strip() else None
        instants = [int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("instants")]
        return done.returncode, document, instants[0] if instants else 0, "died" in done.stderr, done.stderr


def one(cloud, programs, cluster, die, broken=False):
    """One run: two agents asked for, one death; with a broken image none can ever join. Answers what came of it."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(cloud, Path(directory), cluster, programs)
        for _ in range(20):
            code, document, instants, died, log = site.run("add", str(AGENTS), die=die, broken=broken)
            # A provider that is throttled or broken when it is asked for the first time refuses before anything begins.
            if code != 3:
                break
        if died:
            if not site.log.exists():
                return {"asked": 0, "made": 0, "leaked": len(cloud.instances(cluster)), "doubled": 0, "died": 1}
            code, document, _, _, log = site.run("finish", broken=broken)
        if code != 0:
            return {"asked": AGENTS, "made": 0, "leaked": 0, "doubled": 0, "died": 0, "broken": log}
        # What comes to light late has to be swept up after the end.
        promised = [it["instance"] for it in document["slaves"] if it["stage"] == "registered"]
        live = [it["InstanceId"] for it in cloud.instances(cluster)]
        slots = {}
        for it in cloud.instances(cluster):
            tags = {tag["Key"]: tag["Value"] for tag in it["Tags"]}
            slots.setdefault((tags["dcos-bits:operation"], tags["dcos-bits:slot"]), []).append(it["InstanceId"])
        doubled = sum(len(same) - 1 for same in slots.values())
        return {
            "asked": AGENTS,
            "made": len(promised),
            "lacking": len([it for it in promised if it not in live]),
            "leaked": len([it for it in live if it not in promised]),
            "doubled": doubled,
            "failed": AGENTS - len(promised),
            "died": int(died),
            "instants": instants,
            "document": document,
        }


def refused(programs):
    """What EC2 refuses is refused at once, with nothing begun: a caller without a permission, or without credentials."""
    cloud, wrong = Cloud("0", deny=True), []
    try:
        for name, keys, why in [("denied", True, "403 UnauthorizedOperation"), ("keyless", False, "no credentials")]:
            with tempfile.TemporaryDirectory() as directory:
                site = Site(cloud, Path(directory), name, programs)
                code, problem, *_ = site.run("add", "1", keys=keys)
                problem = problem or {}
                says_it = problem.get("type") == "urn:dcos-bits:provider-denied" and why in problem.get("detail", "")
                helps = any("docs/provisioning.md" in hint for hint in problem.get("hints", []))
                if code != 3 or not says_it or not helps or site.log.exists() or cloud.instances(name, False):
                    wrong.append((name, problem))
    finally:
        cloud.end()
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--provider", type=Path, required=True, help="`dcos-provider-ec2`")
    parser.add_argument("--service", type=Path, required=True, help="the example `provisioning`")
    parser.add_argument("--seeds", type=int, default=2, help="how many sets of faults")
    parser.add_argument("--instants", type=int, default=16, help="how many instants of death for each")
    parser.add_argument("--jobs", type=int, default=6)
    arguments = parser.parse_args()
    total = {"asked": 0, "made": 0, "lacking": 0, "leaked": 0, "doubled": 0, "failed": 0, "died": 0}
    broken, fired = [], {}
    for seed in range(arguments.seeds):
        cloud = Cloud(str(seed))
        try:
            with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
                runs = {
                    pool.submit(one, cloud, (arguments.provider, arguments.service), f"s{seed}-k{die}", die): (seed, die)
                    for die in [None, *range(1, arguments.instants + 1)]
                }
                runs[pool.submit(one, cloud, (arguments.provider, arguments.service), f"s{seed}-broken", 6, True)] = (seed, "broken image")
                for done in concurrent.futures.as_completed(runs):
                    result = done.result()
                    for key in total:
                        total[key] += result.get(key, 0)
                    if result.get("broken") or result.get("leaked") or result.get("doubled") or result.get("lacking"):
                        broken.append((runs[done], result))
            for fault, count in cloud.faults().items():
                fired[fault] = fired.get(fault, 0) + count
        finally:
            cloud.end()
    for name, problem in refused((arguments.provider, arguments.service)):
        broken.append((name, {"refused otherwise": problem}))
    for run, result in broken:
        print(f"run {run}: {json.dumps(result)[:3000]}", file=sys.stderr)
    print("faults fired:", ", ".join(f"{name} {count}" for name, count in sorted(fired.items())))
    print(f"killed at {total['died']} instants; {total['failed']} agents were given up, and nothing of them is left")
    expected = {"throttled", "failed-before", "no-capacity", "not-offered", "made-and-lost", "shown-late"}
    expected |= {"died-pending", "stopped-itself", "token-again"}
    silent = sorted(expected - fired.keys())
    if silent:
        print(f"error: these faults did not fire: {', '.join(silent)}", file=sys.stderr)
    # An agent that was given up for good was asked for, and the one who asked was told: it is not counted as promised.
    print(
        f"asked {total['asked'] - total['failed']}, made {total['made']}, "
        f"leaked {total['leaked']}, doubled {total['doubled']}"
    )
    return 1 if broken or silent or not total["died"] else 0


if __name__ == "__main__":
    sys.exit(main())
