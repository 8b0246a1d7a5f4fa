"""Stands where a mesos-master would, for tests of the restart's own logic; it is a fake and no Mesos.

It answers what the restart asks of a master, as well or as badly as a file in its work directory says, and notes each
start, so that a test can tell how often it was started and whether ever two ran at once.
"""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "@VERSION@"
WORK = os.environ["MESOS_WORK_DIR"]


def behaviour():
    try:
        with open(os.path.join(WORK, VERSION)) as file:
            return file.read().strip()
    except FileNotFoundError:
        return "good"


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        sick = behaviour() == "sick" and self.path == "/pkg/health"
        body = {
            "/version": {"version": VERSION},
            "/metrics/snapshot": {"master/elected": 1.0},
            "/pkg/health": {"detail": "it has a cold"} if sick else {"part": "pkg"},
        }.get(self.path, {})
        text = json.dumps(body).encode()
        self.send_response(503 if sick else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer()

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


os.makedirs(WORK, exist_ok=True)
only = open(os.path.join(WORK, "only"), "w")
try:
    fcntl.flock(only, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open(os.path.join(WORK, "two-at-once"), "w")
with open(os.path.join(WORK, "starts"), "a") as starts:
    starts.write(f"{VERSION} {os.getpid()}\n")

how = behaviour()
print(f"this is the fake of Mesos {VERSION}, which is {how}", flush=True)
if how == "exits":
    sys.exit("the flags are wrong")
if how.startswith("crashes:"):
    threading.Timer(float(how.split(":")[1]), lambda: os._exit(9)).start()
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if how == "silent":
    time.sleep(3600)
Server((os.environ["MESOS_IP"], int(os.environ["MESOS_PORT"])), Handler).serve_forever()
