"""Holds compose files to the compose specification, and to what the demo cluster must be.

usage: check_compose.py DOCKERFILE COMPOSE…     several compose files are merged, as the engine does
"""

import json
import re
import sys
from pathlib import Path

import compose_spec
import yaml


def merge(below, above):
    """What the engine makes of two files: mappings are merged, lists appended to, anything else is replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: merge(below[key], value) if key in below else value for key, value in above.items()}
    if isinstance(below, list) and isinstance(above, list):
        return below + above
    return above


def problems_of(compose, stages):
    """What is wrong with a cluster; `stages` are those of the Dockerfile, each with whether it has a health check."""
    services = compose["services"]
    watched = {stage for stage, healthy in stages.items() if healthy}
    targets = {service["image"]: service["build"]["target"] for service in services.values() if "build" in service}
    for target in set(targets.values()) - stages.keys():
        yield f"no stage of the Dockerfile is `{target}`"
    for name, service in services.items():
        target = targets.get(service.get("image"))
        if target is None and ":" not in service.get("image", ""):
            yield f"{name}: its image is neither built here nor of a stated version"
        if "healthcheck" not in service and target not in watched:
            yield f"{name}: nobody watches its health"
        if service.get("privileged") or "user" in service:
            yield f"{name}: it runs as another account than the image's"
        if target and (service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service["security_opt"]):
            yield f"{name}: it keeps rights that it does not need"
        for port in service.get("ports", []):
            # Nobody is asked who he is: only this machine may ask.
            if not port.startswith("127.0.0.1:"):
                yield f"{name}: port `{port}` is open to others than this machine"
        for volume in service.get("volumes", []):
            source, path, *mode = volume.split(":")
            if not source.startswith(".") and source not in compose["volumes"]:
                yield f"{name}: the volume `{source}` is not declared"
            if name != "repository" and (source == "keys" or source == "trust" and mode != ["ro"]):
                yield f"{name}: it could change whom the nodes trust, by `{path}`"
        for other, how in service.get("depends_on", {}).items():
            if other not in services or how.get("condition") != "service_healthy":
                yield f"{name}: it does not wait until `{other}` is well"
    masters = [name for name in services if name.startswith("master")]
    for name, service in services.items():
        named = re.findall(r"http://(\w+):5050", service.get("environment", {}).get("DCOS_MASTERS", ""))
        if targets.get(service.get("image")) in ("agent", "master") and named != masters:
            yield f"{name}: it knows the masters {named}, and there are {masters}"


def main():
    dockerfile, *files = sys.argv[1:]
    stages, stage = {}, None
    for line in Path(dockerfile).read_text().splitlines():
        if found := re.match(r"FROM \S+ AS (\S+)", line):
            stage = found[1]
            stages[stage] = False
        elif line.startswith("HEALTHCHECK"):
            stages[stage] = True
    compose = {}
    for file in files:
        document = yaml.safe_load(Path(file).read_text())
        compose_spec.PyCompose.from_json(json.dumps(document)).to_spec()
        compose = merge(compose, document)
    found = [*problems_of(compose, stages)]
    for problem in found:
        print(f"{' + '.join(files)}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
