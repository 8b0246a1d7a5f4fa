"""What the demo prints, and the checks of what it claims."""

import json
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request

STARTED = time.monotonic()


class Failed(Exception):
    """Something is not as the demo says it is."""


def chapter(title):
    """A heading, with the seconds since the start."""
    print(f"\n== {title}  ({time.monotonic() - STARTED:.0f} s)", flush=True)


def say(line):
    """One line of explanation."""
    print(f"   {line}", flush=True)


def run(*command, expect=0, shown=None, environment=None):
    """Prints a command, runs it with its output on our own, and answers nothing: what follows is checked elsewhere.

    `expect` is the exit code that the story needs; another one ends the demo.
    """
    print(f"\n$ {shlex.join(shown or command)}", flush=True)
    code = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    if code != expect:
        raise Failed(f"`{shlex.join(shown or command)}` ended with {code}, and {expect} was expected")
    if expect:
        say(f"(exit code {code}, as it should be)")


def quiet(*command):
    """Runs a command that is not part of the story, and answers what it printed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"`{shlex.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def get(url):
    """The JSON that `url` answers; `None` while nobody answers there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError):
        return None


def until(what, condition, seconds=30):
    """Waits for `condition()` to be true, and answers its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s in vain: {what}")
        time.sleep(0.1)


def check(claim, holds):
    """Prints a claim that was found true; ends the demo if it is not."""
    if not holds:
        raise Failed(f"this should hold and does not: {claim}")
    print(f"   ok: {claim}", flush=True)


def complain(line):
    """One line to stderr."""
    print(line, file=sys.stderr, flush=True)
