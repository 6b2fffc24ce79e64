"""The local stack: an emulated account with this checkout's template deployed to it.

    with running() as stack:                      a stack of one's own, gone with the block
        stack.client("s3").upload_file("big.csv.gz", stack.source_bucket, "big.csv.gz")

    start(); ...; stop()                          one that outlives the process: `penstock local up --detach`

Every stack keeps its state in a directory; stacks with different directories know nothing of one another.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from penstock.files.state_file import private
from penstock.routes import parse_routes
from penstock_local import postgres, process
from penstock_local.account import Account, emulator_only
from penstock_local.deploy import STACK_NAME, build, deploy
from penstock_local.errors import LocalStackError
from penstock_local.tools import checkout

__all__ = ["Stack", "emulator_only", "find", "running", "start", "state_directory", "stop"]

FUNCTIONS = ("ingest", "plan", "index", "work", "finish", "abort", "reconcile")

# Where in its state directory a stack keeps its PostgreSQL server.
DATABASE = "postgres"

NOTHING: Mapping[str, str] = {}
# As the template composes them: routes are checked before anything is deployed.
BUCKETS = {
    f"{role}_bucket": f"{STACK_NAME}-{role}-{process.ACCOUNT_ID}-{process.REGION}"
    for role in ("source", "destination", "work")
}
# The table's name is generated, and known only then.
NAMES = {**BUCKETS, "records_table": "records"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(Account):
    """Where everything is: what `penstock local up --json` prints."""

    source_bucket: str
    destination_bucket: str
    work_bucket: str
    jobs_table: str
    queue_url: str
    dead_letter_queue_url: str
    ingest_function: str
    state_machine: str
    records_table: str
    postgres_dsn: str
    pid: int
    log: str
    # Empty of one that an earlier Penstock has started.
    abort_function: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def start(
    *,
    port: int = 0,
    routes: Path | None = None,
    state_dir: Path | None = None,
    parameters: Mapping[str, str] = NOTHING,
    postgres_dsn: str = "",
    guard_fd: int | None = None,
) -> Stack:
    """Start an emulator and deploy to it; it stays until `stop`.

    ``port`` 0 is any free one. ``routes`` replaces the packaged routes.toml, ``parameters`` are the template's.
    ``postgres_dsn`` names a database; without it a server of the stack's own is started.
    Raises LocalStackError when it cannot be started, InvalidRouteError before anything is started.
    """
    state_dir = state_dir or state_directory()
    text = _checked(routes)
    template = build()
    _noted(state_dir).unlink(missing_ok=True)
    endpoint = f"http://{process.HOST}:{process.start(state_dir, port=port, guard_fd=guard_fd)}"
    account = Account(endpoint=endpoint, access_log=str(process.access_log(state_dir)))
    try:
        dsn = postgres_dsn or postgres.start(state_dir / DATABASE)
        return _deploy(account, template, text, {"PostgresDsn": dsn, **parameters}, state_dir)
    except BaseException:
        stop(state_dir)
        raise


def change_routes(stack: Stack, routes: Path, *, state_dir: Path | None = None) -> Stack:
    """Deploy a running stack again if these are not the routes that it has."""
    state_dir = state_dir or state_directory()
    text = _checked(routes)
    noted = json.loads(_noted(state_dir).read_text())
    return stack if text == noted["routes"] else _deploy(stack, build(), text, noted["parameters"], state_dir)


def find(state_dir: Path | None = None) -> Stack | None:
    """The stack that runs with this state directory, or None."""
    state_dir = state_dir or state_directory()
    if process.pid(state_dir) is None:
        return None
    with suppress(FileNotFoundError):
        return Stack(**json.loads(_noted(state_dir).read_text())["stack"])
    raise LocalStackError(
        f"a local stack is being started in {state_dir}, or was left half-way",
        hint="Wait for it, or end it with `penstock local down`.",
    )


def stop(state_dir: Path | None = None) -> bool:
    """End a stack with all its processes; False if none ran."""
    state_dir = state_dir or state_directory()
    _noted(state_dir).unlink(missing_ok=True)
    postgres.stop(state_dir / DATABASE)
    return process.stop(state_dir)


def wait(state_dir: Path | None = None) -> None:
    """Return once `stop` has ended the stack. Raises LocalStackError if it ended otherwise."""
    state_dir = state_dir or state_directory()
    while process.pid(state_dir) is not None:
        time.sleep(0.5)
    if _noted(state_dir).exists():
        raise LocalStackError("the emulator has ended by itself", hint=f"Its log is {process.log_file(state_dir)}.")


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a function has logged, ``at`` in milliseconds; ``id`` is always the same, and no other's."""

    at: int
    id: str
    function: str
    text: str


def function_logs(stack: Stack, functions: Iterable[str] = FUNCTIONS) -> list[LogLine]:
    """Every line that these functions have logged so far, in the order of their time."""
    logs, lines = stack.client("logs"), []
    numbers: Counter[str] = Counter()
    # As the template composes them.
    prefix = stack.ingest_function.removesuffix("ingest")
    for function in functions:
        group = f"/aws/lambda/{prefix}{function}"
        with suppress(logs.exceptions.ResourceNotFoundException):  # it was never called
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                for event in page["events"]:
                    # The emulator gives events no id. To a stream, one sandbox writes: it only grows.
                    stream = f"{group}/{event['logStreamName']}"
                    numbers[stream] += 1
                    id_ = f"{stream}/{numbers[stream]}"
                    lines.append(LogLine(event["timestamp"], id_, function, event["message"].rstrip()))
    return sorted(lines, key=lambda line: line.at)


@contextmanager
def running(
    *,
    port: int = 0,
    routes: Path | None = None,
    state_dir: Path | None = None,
    parameters: Mapping[str, str] = NOTHING,
) -> Iterator[Stack]:
    """A stack for as long as the block runs; it also ends when this process does, however it does.

    Where ``parameters`` name a database, no server is started.
    """
    checkout()  # an installation without one is told so before anything is started
    _checked(routes)
    with (
        _directory(state_dir) as directory,
        process.guard() as guard_fd,
        _database(parameters, directory) as dsn,
    ):
        try:
            yield start(
                port=port,
                routes=routes,
                state_dir=directory,
                parameters=parameters,
                postgres_dsn=dsn,
                guard_fd=guard_fd,
            )
        finally:
            stop(directory)


def _database(parameters: Mapping[str, str], directory: Path) -> AbstractContextManager[str]:
    given = parameters.get("PostgresDsn", "")
    return nullcontext(given) if given else postgres.running(directory / DATABASE)


def state_directory() -> Path:
    """Of the one stack that commands speak of: in the checkout, or else where XDG puts state."""
    with suppress(LocalStackError):
        return checkout() / ".penstock"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "penstock"


def _deploy(account: Account, template: Path, routes: str, parameters: Mapping[str, str], state_dir: Path) -> Stack:
    # The name changes with the content: functions that are warm know routes by their URI.
    key = f"config/routes-{hashlib.sha256(routes.encode()).hexdigest()[:12]}.toml"
    uri = {"RoutesUri": f"s3://{BUCKETS['work_bucket']}/{key}"} if routes else {}
    outputs = deploy(account, template, {**parameters, **uri}, state_dir)
    if routes:
        account.client("s3").put_object(Bucket=BUCKETS["work_bucket"], Key=key, Body=routes.encode())
    stack = Stack(
        endpoint=account.endpoint,
        access_log=account.access_log,
        source_bucket=outputs["SourceBucketName"],
        destination_bucket=outputs["DestinationBucketName"],
        work_bucket=outputs["WorkBucketName"],
        jobs_table=outputs["JobsTableName"],
        queue_url=outputs["QueueUrl"],
        dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
        ingest_function=outputs["IngestFunctionName"],
        abort_function=outputs["AbortFunctionName"],
        state_machine=outputs["StateMachineArn"],
        records_table=outputs["RecordsTableName"],
        postgres_dsn=parameters.get("PostgresDsn", ""),
        pid=process.pid(state_dir) or 0,
        log=str(process.log_file(state_dir)),
    )
    noted = {"stack": stack.as_json(), "routes": routes, "parameters": dict(parameters)}
    written = _noted(state_dir).with_suffix(".new")
    # Parameters may hold a database's password.
    with open(written, "w", opener=private) as file:  # Path.open takes no opener
        json.dump(noted, file, indent=2)
    written.replace(_noted(state_dir))
    return stack


def _checked(routes: Path | None) -> str:
    """The text of a routes file that a function will accept; empty for the packaged one."""
    if routes is None:
        return ""
    try:
        text = routes.read_text()
    except OSError as error:
        raise LocalStackError(f"{routes}: {error.strerror}") from error
    parse_routes(text, str(routes), NAMES)
    return text


def _noted(state_dir: Path) -> Path:
    return state_dir / "local.json"


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given:
        yield given
    else:
        with TemporaryDirectory(prefix="penstock-") as temporary:
            yield Path(temporary)
