"""What schemathesis is told of our own rules, beside what is in the documents.

A refusal must be one that the document names for that endpoint and status. And what the document allows because a host
may be set up in any way is allowed here only where this host is set up so: DCOS_API_ALLOWED names those statuses.
"""

import os
import re

import schemathesis

ALLOWED = set(os.environ.get("DCOS_API_ALLOWED", "").split())

# Nothing of these is right on a host that works: a refusal by status and name must be in DCOS_API_ALLOWED.
EXCEPTIONAL = {"307", "401", "403", "500", "503", "504"}


@schemathesis.hook
def before_call(context, case, kwargs):
    """A redirection is an answer: what it leads to is tested at its own place."""
    kwargs["allow_redirects"] = False


def documented(case, status):
    """The names that the document has for a status of an endpoint."""
    responses = case.operation.definition.raw["responses"]
    response = responses.get(status, {})
    while "$ref" in response:
        place = case.operation.schema.raw_schema
        for name in response["$ref"].split("/")[1:]:
            place = place[name]
        response = place
    return set(re.findall(r"`([a-z0-9-]+)`", response.get("description", "")))


@schemathesis.check
def refusals_are_documented(context, response, case):
    """RFC 9457, with the status of the answer and a name that the document has there."""
    status = str(response.status_code)
    if response.status_code < 300:
        return
    name = "none"
    media_type = (response.headers.get("content-type") or [""])[0]
    if media_type == "application/problem+json":
        problem = response.json()
        assert problem["status"] == response.status_code, f"the problem says {problem['status']}, the answer {status}"
        prefix, _, name = problem["type"].rpartition(":")
        assert prefix == "urn:dcos-bits", f"the type `{problem['type']}` is not one of ours"
        # A method that is none of an endpoint's has no place in the document.
        if status != "405":
            names = documented(case, status)
            assert name in names, f"{status} `{name}` is not among the documented {sorted(names)}"
    if status in EXCEPTIONAL:
        assert ALLOWED & {status, f"{status}:{name}"}, f"{status} `{name}` on a host where nothing should be so"
