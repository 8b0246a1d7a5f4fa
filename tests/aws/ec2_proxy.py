"""What EC2 does and moto does not: a proxy in front of moto's EC2 end point.

It adds idempotency by client token (moto makes a second instance), and, drawn from a seed: RequestLimitExceeded,
InsufficientInstanceCapacity in some subnets and for some types, answers of 500 before anything happened, answers lost after
everything happened, instances that are shown late, and instances that are terminated while they are pending or stop by
themselves. A dry run is told where a type is not offered. With `--deny` every call is refused as EC2 refuses a caller without a permission.

Faults end after a while (`--calm` calls for each cluster), so that whoever goes on in the right way comes to an end. Each
fault is counted; the counts are served at `/faults`, so that a campaign can tell that its faults fired.
"""

import argparse
import hashlib
import http.client
import json
import random
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LATE = 2.5  # Seconds until an instance that is shown late is shown.


def error(code, message):
    """An error document as EC2 writes it."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error>'
        f"<Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>0</RequestID></Response>"
    ).encode()


class Cloud:
    """What the proxy remembers."""

    def __init__(self, seed, calm, deny):
        self.lock = threading.Lock()
        self.seed, self.calm, self.deny = seed, calm, deny
        self.tokens = {}  # client token -> (digest of the parameters, status, body)
        self.busy = {}  # client token -> lock, so that two calls with one token make one instance
        self.hidden = {}  # instance -> until when it is not shown
        self.calls = {}  # cluster -> number of calls
        self.dice = {}  # cluster -> its own generator
        self.fired = {}

    def count(self, fault):
        with self.lock:
            self.fired[fault] = self.fired.get(fault, 0) + 1

    def draw(self, cluster):
        """A number from 0 to 1, or 1 once the cluster has had its share of faults."""
        with self.lock:
            self.calls[cluster] = self.calls.get(cluster, 0) + 1
            dice = self.dice.setdefault(cluster, random.Random(f"{self.seed} {cluster}"))
            return dice.random() if self.calls[cluster] <= self.calm else 1.0

    def token(self, token):
        with self.lock:
            return self.busy.setdefault(token, threading.Lock())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/xml" if body[:1] == b"<" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def lose(self, fault):
        """Ends the connection in place of the answer."""
        self.server.cloud.count(fault)
        self.close_connection = True
        self.connection.close()

    def pass_on(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.moto, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        connection.request("POST", self.path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def do_GET(self):
        self.answer(200, json.dumps(self.server.cloud.fired).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = {key: values[0] for key, values in urllib.parse.parse_qs(body.decode()).items()}
        action, cluster = asked.get("Action", ""), cluster_of(asked)
        cloud = self.server.cloud
        if cloud.deny:
            return self.answer(403, error("UnauthorizedOperation", "You are not authorized to perform this operation."))
        if asked.get("DryRun") == "true":
            if lacks(cloud.seed, cluster, asked):
                cloud.count("not-offered")
                return self.answer(400, error("Unsupported", "Your requested instance type is not supported there."))
            return self.answer(*self.pass_on(body))
        dice = cloud.draw(cluster)
        if dice < 0.06:
            cloud.count("throttled")
            return self.answer(503, error("RequestLimitExceeded", "Request limit exceeded."))
        if dice < 0.11:
            cloud.count("failed-before")
            return self.answer(500, error("InternalError", "An internal error has occurred"))
        if action == "RunInstances":
            return self.run(body, asked, dice, cluster)
        status, answer = self.pass_on(body)
        if action == "DescribeInstances" and status == 200:
            answer = self.hide(answer)
        if action == "TerminateInstances" and 0.11 <= dice < 0.3:
            return self.lose("terminated-and-lost")
        return self.answer(status, answer)

    def run(self, body, asked, dice, cluster):
        cloud = self.server.cloud
        token = asked.get("ClientToken", "")
        # The signature and the token aside, the same call must be the same call.
        parameters = sorted((key, value) for key, value in asked.items() if key != "ClientToken")
        digest = hashlib.sha256(repr(parameters).encode()).hexdigest()
        with cloud.token(token):
            known = cloud.tokens.get(token)
            if known:
                cloud.count("token-again")
                if known[0] != digest:
                    text = "The client token was used with other parameters."
                    return self.answer(400, error("IdempotentParameterMismatch", text))
                return self.answer(known[1], known[2])
            if lacks(cloud.seed, cluster, asked):
                cloud.count("no-capacity")
                text = "We currently do not have sufficient capacity in the Availability Zone you requested."
                return self.answer(500, error("InsufficientInstanceCapacity", text))
            status, answer = self.pass_on(body)
            if status == 200:
                cloud.tokens[token] = (digest, status, answer)
        if status != 200:
            return self.answer(status, answer)
        instance = re.search(rb"<instanceId>(i-[0-9a-f]+)</instanceId>", answer).group(1).decode()
        if dice < 0.45:
            cloud.hidden[instance] = time.monotonic() + LATE
            cloud.count("shown-late")
        if 0.3 <= dice < 0.55:
            self.change("TerminateInstances", instance)
            cloud.count("died-pending")
        if 0.55 <= dice < 0.7:
            self.change("StopInstances", instance)
            cloud.count("stopped-itself")
        if 0.11 <= dice < 0.35:
            return self.lose("made-and-lost")
        return self.answer(status, answer)

    def change(self, action, instance):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.moto, timeout=60)
        query = urllib.parse.urlencode({"Action": action, "InstanceId.1": instance, "Version": "2016-11-15"})
        headers = {name: value for name, value in self.headers.items() if name.lower() in ("authorization", "x-amz-date")}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("POST", "/", query, headers)
        connection.getresponse().read()

    def hide(self, answer):
        """Takes instances that are not shown yet out of a list. Each is a reservation of its own here."""
        now, cloud = time.monotonic(), self.server.cloud
        hidden = [instance for instance, until in cloud.hidden.items() if until > now]
        text = answer.decode()
        head, mark, rest = text.partition("<reservationSet>")
        if not mark or not any(instance in rest for instance in hidden):
            return answer
        kept = [part for part in re.split(r"(?=<item>\s*<reservationId>)", rest) if not any(it in part for it in hidden)]
        tail = "" if kept and "</reservationSet>" in kept[-1] else rest[rest.index("</reservationSet>") :]
        return (head + mark + "".join(kept) + tail).encode()


def lacks(seed, cluster, asked):
    """Whether there is no capacity for the type in the subnet. There is always some of the smallest type."""
    kind = asked.get("InstanceType")
    where = f"{seed} {cluster} {kind} {asked.get('SubnetId')}"
    return kind != "m5.large" and int(hashlib.sha256(where.encode()).hexdigest(), 16) % 10 < 4


def cluster_of(asked):
    """The cluster that a call is about: from the tags that it gives or filters by."""
    for key, value in asked.items():
        if value in ("dcos-bits:cluster", "tag:dcos-bits:cluster"):
            stem = key.rsplit(".", 1)[0]
            return asked.get(stem + ".Value") or asked.get(stem + ".Value.1") or ""
    return asked.get("InstanceId.1", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moto", type=int, required=True, help="moto's port")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--calm", type=int, default=40, help="how many calls of a cluster may be disturbed")
    parser.add_argument("--deny", action="store_true", help="refuse every call")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.moto, server.cloud = arguments.moto, Cloud(arguments.seed, arguments.calm, arguments.deny)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
