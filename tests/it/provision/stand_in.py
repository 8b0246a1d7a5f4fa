"""A provider with one machine, which the test switches on: it keeps the user data that the machine is given.

settings: `directory`, where `user-data` is kept, and `port`, where the machine's agent will listen on 127.0.0.1. While there
is a `denied` in the directory, whoever asks has no permission.
"""

import json
import sys
from pathlib import Path

request = json.load(sys.stdin)
place = Path(request["settings"]["directory"])
call = request["call"]
record = place / "machine.json"
machine = json.loads(record.read_text()) if record.exists() else None

if (place / "denied").exists():
    answer = {"failed": {"reason": "denied", "detail": "RunInstances: 403 UnauthorizedOperation"}}
elif "launch" in call:
    if not machine:
        launch = call["launch"]
        place.mkdir(exist_ok=True)
        machine = {"id": "bare-1", "state": "running", "address": "127.0.0.1", "port": request["settings"]["port"]}
        machine |= {key: launch[key] for key in ("token", "operation", "slot")}
        record.write_text(json.dumps(machine))
        # Its name comes last: whoever sees it finds it whole.
        (place / "new").write_text(launch["user_data"])
        (place / "new").rename(place / "user-data")
    answer = {"launched": {"machine": machine["id"]}}
elif call == "list":
    answer = {"machines": [machine] if machine else []}
elif "terminate" in call:
    record.write_text(json.dumps(machine | {"state": "gone"}))
    answer = "terminated"
else:
    answer = "checked"
print(json.dumps(answer))
