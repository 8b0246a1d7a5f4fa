"""Downloads one file of a PyPI project by its name, checks its digest, and puts it in place.

    fetch.py PROJECT FILE SHA256 DESTINATION

pip cannot do this: it no longer reads the `bdist_dumb` archives that Mesos was published as. The destination appears
complete and verified, or not at all. Exits 1 with the reason on stderr.
"""

import hashlib
import os
import sys
import tempfile

import requests
from pypi_simple import PyPISimple


def fail(message, hint=None):
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    sys.exit(1)


def download(project, name, target):
    """Writes the file called `name` of `project` to the open file `target`; returns its sha256."""
    digest = hashlib.sha256()
    with PyPISimple() as client:
        page = client.get_project_page(project)
        package = next((p for p in page.packages if p.filename == name), None)
        if package is None:
            fail(f"PyPI's project `{project}` has no file `{name}`")
        # PyPI's own digest is not asked about: ours decides.
        with client.s.get(package.url, stream=True, timeout=60) as response:
            response.raise_for_status()
            for block in response.iter_content(1 << 20):
                digest.update(block)
                target.write(block)
    return digest.hexdigest()


def main(project, name, expected, destination):
    folder = os.path.dirname(destination)
    handle, partial = tempfile.mkstemp(dir=folder, prefix=name + ".partial-")
    try:
        with os.fdopen(handle, "wb") as target:
            try:
                actual = download(project, name, target)
            except requests.RequestException as error:
                fail(
                    f"cannot download `{name}` from PyPI: {error}",
                    f"check the network and the proxy, or put the file there yourself: `{destination}`",
                )
            target.flush()
            os.fsync(target.fileno())
        if actual != expected:
            fail(f"`{name}` from PyPI has the sha256 `{actual}`, and `{expected}` is the one that is known to be good")
        os.rename(partial, destination)
        partial = None
    finally:
        if partial:
            os.unlink(partial)


if __name__ == "__main__":
    main(*sys.argv[1:])
