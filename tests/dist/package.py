"""The Debian package: on a clean machine, on a machine with an older one, on a node, and off all of them again."""

import hashlib
import json
import os
import re
import socket
import urllib.request
from pathlib import Path

from release import OF_EACH, PROGRAMS
from roots import Failed, call, expect, until

NODE = """\
role = "agent"
group = "agents"
[mesos]
ip = "127.0.0.1"
port = {port}
hostname = "this-node.example.org"
master = "127.0.0.1:1"
work_dir = "/var/lib/mesos"
runtime_dir = "/run/mesos"
[limits]
anonymous_reader = true
"""

# What stands in for Mesos and for us: as little as a set needs to be valid.
STAND_INS = {
    "mesos--1.10.0": ({"kind": "mesos", "mesos": {"version": "1.10.0"}},
                      {"bin/mesos-agent": "no Mesos", "lib/libmesos.so": "no library"}),
    "dcos-bits--0.0.1+mesos1.10.0": ({"kind": "module", "mesos": {"version": "1.10.0"}, "modules": [
        {"library": "lib/libdcos_bits.so", "name": "org_dcos_bits_Pkg",
         "parameters": {"node": {"type": "node-file"}}, "health": "/pkg/health"}]},
        {"lib/libdcos_bits.so": "no library", "bin/dcos-restart-helper": "no helper"}),
    "greeting--1": ({"kind": "plain"}, {"share/greeting": "hello"}),
}


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(port, path):
    """Whether a path of this machine answers 200; the host shares our loopback."""
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).status == 200
    except OSError:
        return False


def older(package, folder):
    """The same package with a lower version and another file of settings, as a release before this one."""
    tree = folder / "older"
    call("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*", "Version: 0.0.1", control.read_text()))
    settings = tree / "etc/default/dcos-node"
    settings.write_text("# As it was in 0.0.1.\nDCOS_NODE_OPTIONS=\n")
    made = folder / "dcos-bits_0.0.1.deb"
    call("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made)
    return made


def install(host, package, *options):
    """Installs it as apt does for somebody who is not there to be asked."""
    (host.shared() / package.name).write_bytes(package.read_bytes())
    return host.run("dpkg", "--force-unsafe-io", *options, "--install", f"/shared/{package.name}")


def check_clean(host, package, folder):
    """A clean machine, and an upgrade of it."""
    install(host, older(package, folder))
    expect("installing has started something", not ours(host))
    for program in PROGRAMS:
        expect(f"`{program}` says another version", host.run(program, "--version").startswith(f"{program} "))
    small_packages(host)

    port = free_port()
    host.write("/etc/dcos/node.toml", NODE.format(port=port))
    host.write("/etc/default/dcos-node", f"DCOS_NODE_OPTIONS=--listen 127.0.0.1:{port}\n")
    host.run("systemctl", "enable", "--now", "dcos-node")
    until("dcos-node answers", lambda: answers(port, "/pkg/health"))
    before = host.run("systemctl", "show", "--property", "MainPID", "--value", "dcos-node")

    install(host, package, "--force-confold")
    after = host.run("systemctl", "show", "--property", "MainPID", "--value", "dcos-node")
    expect("dcos-node still is the program of the older version", before != after)
    until("dcos-node answers after the upgrade", lambda: answers(port, "/pkg/health"))
    expect("the upgrade changed the node file", host.path("/etc/dcos/node.toml").read_text() == NODE.format(port=port))
    expect("the upgrade changed the operator's settings", str(port) in host.path("/etc/default/dcos-node").read_text())
    expect("the upgrade lost packages", "greeting--1" in host.run("dcos-pkg", "--root", "/srv/dcos", "list"))
    complete(host)
    said = host.run("systemd-analyze", "verify", "--man=no", "dcos-node.service")
    expect(f"systemd says of the unit: {said}", not said)

    host.run("dpkg", "--remove", "dcos-bits")
    expect(f"after the removal there still runs {ours(host)}", not ours(host))
    host.run("dpkg", "--purge", "dcos-bits")
    left = host.run("find", "/", "-xdev", "(", "-path", "/srv", "-o", "-path", "/var/log", ")", "-prune", "-o",
                    "-name", "*dcos*", "-print").split()
    expect(f"the purge left {left}", left == ["/etc/dcos"])
    greeting = host.path("/srv/dcos/packages/greeting--1/share/greeting")
    expect("the purge took a store away", greeting.read_text() == "hello")


def small_packages(host):
    """`dcos-pkg` builds, adds, activates and lists, on a store that was not there."""
    # A set is activated for a node, and the node file of this one is for this store only.
    host.write("/srv/node.toml", f'root = "/srv/dcos"\n{NODE.format(port=1)}')
    config = json.dumps({"format": 1, "role": "agent", "environment": {},
                         "modules": [{"name": "org_dcos_bits_Pkg", "parameters": {}}]})
    sets = STAND_INS | {"mesos-config--0123456789ab": (
        {"kind": "mesos-config", "roles": ["agent"], "requires": ["mesos >= 1.10.0"]}, {"etc/config.json": config})}
    pkg = ["dcos-pkg", "--node", "/srv/node.toml"]
    for identity, (info, files) in sets.items():
        add(host, pkg, identity, info, files)
    host.run(*pkg, "activate", *sets)
    listed = json.loads(host.run(*pkg, "--json", "list"))
    expect(f"`dcos-pkg list` says {listed}", {each["id"] for each in listed if each["active"]} == set(sets))


def add(host, pkg, identity, info, files):
    """Builds a package and adds it."""
    name, _, version = identity.partition("--")
    pkginfo = json.dumps({"format": 1, "name": name, "version": version, **info})
    for path, text in {**files, "pkginfo.json": pkginfo}.items():
        host.write(f"/srv/trees/{identity}/{path}", text)
    host.run("dcos-pkg", "build", f"/srv/trees/{identity}", "--output", f"/srv/{identity}.tar.zst")
    host.run(*pkg, "add", f"/srv/{identity}.tar.zst")


def complete(host):
    """What belongs to the programs is there, and is of this version."""
    for each in OF_EACH:
        for name in PROGRAMS:
            expect(f"there is no `{each.format(name)}`", host.path(f"/usr/{each.format(name)}").stat().st_size > 100)
    changed = host.run("dpkg", "--verify", "dcos-bits").replace("??5?????? c /etc/default/dcos-node\n", "")
    expect(f"files differ from the package's: {changed}", not changed)


def check_node(host, package, archives, ids):
    """A node: its Mesos is real and runs under systemd, and the package goes away below it."""
    install(host, package)
    port = free_port()
    host.write("/etc/dcos/node.toml", NODE.format(port=port))
    for archive in archives:
        target = host.shared() / archive.name
        target.write_bytes(archive.read_bytes())
        host.run("dcos-pkg", "add", f"/shared/{archive.name}")
    host.run("dcos-pkg", "activate", *ids)
    host.run("dcos-restart-helper", "start")
    expect("Mesos does not answer", answers(port, "/version"))

    rendered = host.path("/usr/share/dcos-bits/units/agent")
    units = sorted(file.name for file in rendered.iterdir())
    for name in units:
        text = host.path(f"/etc/systemd/system/{name}").read_text()
        expect(f"`{name}` of the package is not what the helper writes", (rendered / name).read_text() == text)
    said = host.run("systemd-analyze", "verify", "--man=no", *units)
    expect(f"systemd says of the units: {said}", not said)

    before = store(host)
    host.run("dpkg", "--remove", "dcos-bits")
    expect(f"after the removal there still runs {ours(host)}", not ours(host))
    expect("units are left", not [name for name in units if os.path.lexists(host.path(f"/etc/systemd/system/{name}"))])
    host.run("dpkg", "--purge", "dcos-bits")
    expect("the removal touched the store", store(host) == before)

    install(host, package)
    expect("installing has started something", not ours(host))
    host.run("dcos-restart-helper", "start")
    expect("Mesos does not answer from the store that was left", answers(port, "/version"))

    # A new Mesos is watched for three quarters of a minute, so that the attempt is not over before the question.
    add(host, ["dcos-pkg"], "greeting--1", *STAND_INS["greeting--1"])
    host.run("dcos-restart-helper", "run", "--no-wait", "--set", *ids, "greeting--1")
    said = host.run("dpkg", "--remove", "dcos-bits", code=1)
    expect(f"a removal in the middle of a restart says: {said}", "a restart of Mesos is under way" in said)
    until("Mesos answers, and the package is still there", lambda: answers(port, "/version"))
    host.run("dcos-restart-helper", "status")


def ours(host):
    """What runs of ours, or of Mesos."""
    return [line for line in host.processes() if re.search(r"dcos|mesos", line) and "/shared" not in line]


def store(host):
    """Every file of the packages and generations, and what is active."""
    root = host.path("/opt/dcos")
    found = {"active": os.readlink(root / "active"), "node": host.path("/etc/dcos/node.toml").read_bytes()}
    for part in ("packages", "generations", "helper"):
        for folder, _, files in os.walk(root / part):
            for name in files:
                file = Path(folder) / name
                content = os.readlink(file) if file.is_symlink() else hashlib.sha256(file.read_bytes()).hexdigest()
                found[str(file.relative_to(root))] = (content, file.lstat().st_mode, file.lstat().st_mtime_ns)
    if len(found) < 20:
        raise Failed(f"a store of {len(found)} files is none")
    return found
