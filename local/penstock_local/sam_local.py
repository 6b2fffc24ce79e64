"""`python -m penstock_local.sam_local`: every file of events/ through `sam local invoke`, every answer checked.

The function runs in a container, which cannot reach this machine's loopback: the emulator listens on the Docker bridge.
Before each event the objects that it names are uploaded, and the event is told their versions; the rest stays as it is.
"""

from __future__ import annotations

import gzip
import ipaddress
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote_plus

from penstock_local.account import Account, emulator_only
from penstock_local.deploy import RUNTIME, build
from penstock_local.errors import LocalStackError
from penstock_local.interrupt import sigterm_exits
from penstock_local.tools import checkout, sam_command

logger = logging.getLogger("penstock_local.sam_local")  # run as a module, __name__ is another

SOURCE = "penstock-dev-source-123456789012-us-east-1"  # as the events have it
DESTINATION, WORK, JOBS = "penstock-dev-destination", "penstock-dev-work", "penstock-dev-jobs"
PLAIN_KEY, ODD_KEY = "in/accidents.csv", "in/naïve café 100% a+b.csv"
FOREIGN_MESSAGE = "059f36b4-87a3-44ab-83d2-661970000003"
MEMORY = 128
NO_ENGINE = "Start one; `make demo` needs none."
INVOKING = 300.0  # seconds; ten are the rule, and once as long as a pull of the Lambda image takes


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer to an event: states of jobs, or ids of returned messages; ``results`` are the keys of new objects."""

    states: tuple[str, ...] = ()
    returned: tuple[str, ...] | None = None
    results: tuple[str, ...] = ()


# In this order: the older event comes after the newer one.
EXPECTED = {
    "s3-put": Expected(states=("succeeded",), results=(PLAIN_KEY,)),
    "s3-older-sequencer": Expected(states=("superseded",)),
    "s3-multipart": Expected(states=("succeeded",), results=(PLAIN_KEY,)),
    "s3-unversioned": Expected(states=("succeeded",), results=(PLAIN_KEY,)),
    "s3-encoded-key": Expected(states=("succeeded",), results=(ODD_KEY,)),
    "eventbridge": Expected(states=("succeeded",), results=(ODD_KEY,)),
    "s3-test-event": Expected(),
    "sqs-s3": Expected(returned=(), results=(PLAIN_KEY,)),
    "sqs-repeat": Expected(returned=(), results=(PLAIN_KEY,)),
    "sqs-batch": Expected(returned=(FOREIGN_MESSAGE,), results=(PLAIN_KEY, ODD_KEY)),
}


def main() -> int:
    """All events; returns the exit code."""
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("penstock_local").setLevel(logging.INFO)
    try:
        with sigterm_exits(), TemporaryDirectory(prefix="penstock-sam-local-") as directory:
            return _try_all(Path(directory))
    except LocalStackError as error:
        sys.exit(f"Error: {error}\n{error.hint}".strip())


def _try_all(directory: Path) -> int:
    bridge = bridge_address()
    template = build()
    wrong = 0
    with emulator_only(bridge) as account:
        _furnish(account)
        for name, expected in EXPECTED.items():
            plain = f"{name}\n".encode() * 50_000
            event = json.loads((checkout() / "events" / f"{name}.json").read_text())
            answer = invoke(account, template, fitted(event, _upload(account, plain)), directory)
            problem = _problem(account, answer, expected, plain)
            wrong += bool(problem)
            logger.info("%s\n  %s\n  %s", name, json.dumps(answer, ensure_ascii=False), problem or "right")
    return 1 if wrong else 0


def bridge_address() -> str:
    """The address under which containers see this machine. Raises LocalStackError where no Docker engine answers."""
    try:
        asked = subprocess.run(
            ["docker", "network", "inspect", "bridge"],  # noqa: S607  # whichever docker the user has
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise LocalStackError("no Docker engine: there is no `docker` command", hint=NO_ENGINE) from error
    if asked.returncode:
        raise LocalStackError(f"no Docker engine answers: {asked.stderr.strip()}", hint=NO_ENGINE)
    network = next(one for one in json.loads(asked.stdout)[0]["IPAM"]["Config"] if ":" not in one["Subnet"])
    return str(network.get("Gateway") or ipaddress.ip_network(network["Subnet"])[1])


def fitted(event: Any, heads: dict[str, dict[str, Any]]) -> Any:
    """The event, with the versions, ETags and sizes of the objects that are really there."""
    match event:
        case {"Records": [{"eventSource": "aws:sqs"}, *_]}:
            bodies = (json.dumps(fitted(json.loads(record["body"]), heads)) for record in event["Records"])
            records = [{**record, "body": body} for record, body in zip(event["Records"], bodies, strict=True)]
            return {**event, "Records": records}
        case {"Records": [{"s3": {"object": thing}} as record]}:
            real = heads[unquote_plus(thing["key"])]
            real = {"versionId": real["VersionId"], "eTag": real["ETag"].strip('"'), "size": real["ContentLength"]}
            known = {name: real[name] for name in real if name in thing}
            return {**event, "Records": [{**record, "s3": {**record["s3"], "object": thing | known}}]}
        case {"detail": {"object": thing}}:
            head = heads[thing["key"]]
            real = {"version-id": head["VersionId"], "etag": head["ETag"].strip('"'), "size": head["ContentLength"]}
            return {**event, "detail": {**event["detail"], "object": thing | real}}
    return event


def invoke(account: Account, template: Path, event: object, directory: Path) -> Any:
    """What the function answers in its container. Raises LocalStackError when it answers nothing."""
    variables = {
        "AWS_ENDPOINT_URL": account.endpoint,
        "PENSTOCK_SOURCE_BUCKET": SOURCE,
        "PENSTOCK_DESTINATION_BUCKET": DESTINATION,
        "PENSTOCK_WORK_BUCKET": WORK,
        "PENSTOCK_JOBS_TABLE": JOBS,
    }
    (directory / "variables.json").write_text(json.dumps({"Parameters": variables}))
    (directory / "event.json").write_text(json.dumps(event))
    options = ["--template-file", str(template), "--env-vars", "variables.json", "--event", "event.json"]
    overrides = ["--parameter-overrides", f"Runtime={RUNTIME}", f"MemorySize={MEMORY}", "Timeout=60"]
    done = subprocess.run(  # noqa: S603  # the pinned SAM CLI
        [*sam_command(), "local", "invoke", "IngestFunction", *options, "--skip-pull-image", *overrides],
        env=account.isolated(os.environ) | {"SAM_CLI_TELEMETRY": "0", "NO_PROXY": "*", "no_proxy": "*"},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=INVOKING,
    )
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise LocalStackError(f"sam local invoke answered {done.stdout!r}:\n{done.stderr}") from error


def _furnish(account: Account) -> None:
    """What the template would have made, as far as the function uses it."""
    s3 = account.client("s3")
    for bucket in (SOURCE, DESTINATION, WORK):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    account.client("dynamodb").create_table(
        TableName=JOBS,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _upload(account: Account, plain: bytes) -> dict[str, dict[str, Any]]:
    """New versions of all objects that events name: key -> head."""
    s3 = account.client("s3")
    keys = [f"{key}.gz" for key in (PLAIN_KEY, ODD_KEY)]
    for key in keys:
        s3.put_object(Bucket=SOURCE, Key=key, Body=gzip.compress(plain))
    return {key: s3.head_object(Bucket=SOURCE, Key=key) for key in keys}


def _problem(account: Account, answer: Any, expected: Expected, plain: bytes) -> str:
    """What is wrong with an answer or with the objects it speaks of; empty if nothing is."""
    match answer:
        case {"jobs": jobs} if expected.returned is None:
            right = tuple(job["state"] for job in jobs) == expected.states
        case {"batchItemFailures": failures}:
            right = tuple(failure["itemIdentifier"] for failure in failures) == expected.returned
        case _:
            right = False
    if not right:
        return f"WRONG: expected {expected}"
    s3 = account.client("s3")
    for key in expected.results:
        if s3.get_object(Bucket=DESTINATION, Key=key)["Body"].read() != plain:
            return f"WRONG: {key} is not what was uploaded"
    return ""


if __name__ == "__main__":
    sys.exit(main())
