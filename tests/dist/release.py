"""What `make dist` leaves: complete, of root, and the same bytes every time."""

import filecmp
import gzip
import os
import re
import subprocess
import tarfile

from roots import TARGET, TREE, call, expect

PROGRAMS = ["dcos", "dcos-pkg", "dcos-node", "dcos-restart-helper"]

# What each program has, by its name.
OF_EACH = ["bin/{}", "share/man/man1/{}.1.gz", "share/bash-completion/completions/{}", "share/zsh/vendor-completions/_{}",
           "share/fish/vendor_completions.d/{}.fish"]

COMPLETE = [
    "LICENSE", "libexec/dcos-bits/dcos-module-probe",
    "share/dcos-bits/units/dcos-node.service", "share/dcos-bits/units/agent/dcos-mesos-agent.service",
    "share/dcos-bits/units/master/dcos-mesos-master.service", "share/dcos-bits/units/agent/dcos-restart-helper.service",
    "share/doc/dcos-bits/README.md", "share/doc/dcos-bits/CHANGELOG.md", "share/doc/dcos-bits/examples/node.toml",
]


def make():
    """Makes the release that everything here is about."""
    # Of one time, also if somebody commits between the two runs.
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(int((TREE / "Cargo.toml").stat().st_mtime)))
    call(TREE / "scripts/dist")
    return TARGET / "dist"


def check_again(release, folder):
    """A second run gives the same bytes."""
    again = folder / "again"
    call(TREE / "scripts/dist", "--output", again)
    names = sorted(file.name for file in release.iterdir())
    expect("a second run makes other files", names == sorted(file.name for file in again.iterdir()))
    _, differing, odd = filecmp.cmpfiles(release, again, names, shallow=False)
    expect(f"a second run makes other bytes of {differing + odd}", not differing and not odd)


def check_contents(release):
    """Digests fit, and the archive has what it should."""
    call("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=release)
    listed = {line.split()[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    expect("a file of the release has no digest", listed == {file.name for file in release.iterdir()} - {"SHA256SUMS"})
    for mesos in ("1.10.0", "1.11.0"):
        expect(f"there is no module for Mesos {mesos}", any(f"+mesos{mesos}.tar" in name for name in listed))
    archive = next(file for file in release.glob("dcos-bits-*.tar.zst"))
    with subprocess.Popen(["zstd", "--decompress", "--stdout", archive], stdout=subprocess.PIPE) as unpacked:
        with tarfile.open(fileobj=unpacked.stdout, mode="r|") as tar:
            entries = {each.name: (each, tar.extractfile(each).read() if each.name.endswith(".1.gz") else b"")
                       for each in tar}
    top = archive.name.removesuffix(".tar.zst")
    wanted = [*COMPLETE, *[each.format(name) for each in OF_EACH for name in PROGRAMS]]
    missing = [name for name in wanted if f"{top}/{name}" not in entries]
    expect(f"the archive lacks {missing}", not missing)
    owners = {(entry.uid, entry.gid) for entry, _ in entries.values()}
    times = {entry.mtime for entry, _ in entries.values()}
    expect(f"the archive's files belong to {owners} and are of {len(times)} times", owners == {(0, 0)} and len(times) == 1)
    for name, (_, page) in entries.items():
        if page:
            expect(f"`{name}` is no manual page", re.search(rb"(?m)^\.TH ", gzip.decompress(page)))
