#!/usr/bin/env python3
"""Writes the source of a library that stands in for what libmesos was linked with and Debian 12 no longer has.

    make_stub.py LIBMESOS OUTPUT_C OUTPUT_MAP

Those are OpenSSL 1.0, libcurl with OpenSSL 1.0's symbol version, and Python 2.7. None of it is called as long as TLS is
off and no Python loads the library, but the dynamic linker wants every name. Each function ends the process, saying its
name; the version script gives the names the versions that libmesos asks for.
"""

import re
import subprocess
import sys

# The three names that are not functions. Zeroed memory is enough for objects whose address alone is taken.
DATA = {"PyExc_Exception", "PyExc_TypeError", "_Py_NoneStruct"}

FOREIGN_VERSION = re.compile(r"OPENSSL_1\.0\.\d|CURL_OPENSSL_3")

PREAMBLE = """\
#include <stdlib.h>
#include <unistd.h>

static void die(const char* text, unsigned long length)
{
  if (write(2, text, length) < 0) {}
  abort();
}

#define STUB(name) \\
  void name(void) { static const char text[] = "stub called: " #name "\\n"; die(text, sizeof(text) - 1); }
#define DATA(name) char name[256];

"""


def undefined_symbols(library):
    """Yields (name, version or None) of every symbol that the library expects from others."""
    output = subprocess.run(
        ["nm", "--dynamic", "--undefined-only", library], check=True, capture_output=True, text=True
    ).stdout
    for line in output.splitlines():
        name, _, version = line.split()[-1].partition("@")
        yield name, version.lstrip("@") or None


def main(library, source, version_script):
    names = {}
    for name, version in undefined_symbols(library):
        if version and FOREIGN_VERSION.fullmatch(version):
            names[name] = version
        elif version is None and re.match("_?Py", name):
            names[name] = None
    if not names:
        sys.exit(f"error: `{library}` asks for nothing that the stub stands in for; is it the file it should be?")

    with open(source, "w", encoding="ascii") as out:
        out.write(PREAMBLE)
        for name in sorted(names):
            out.write(f"{'DATA' if name in DATA else 'STUB'}({name})\n")

    with open(version_script, "w", encoding="ascii") as out:
        for version in sorted({v for v in names.values() if v}):
            members = " ".join(f"{n};" for n, v in sorted(names.items()) if v == version)
            out.write(f"{version} {{ global: {members} }};\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
