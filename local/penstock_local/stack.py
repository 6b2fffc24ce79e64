"""The local stack: an emulated account with this checkout's template deployed to it.

    with running() as stack:                      a stack that ends with the block
        stack.client("s3").upload_file("big.csv.gz", stack.source_bucket, "big.csv.gz")

    start(); ...; stop()                          a stack that keeps running, as `penstock local up --detach` starts it

Every stack keeps its state in a directory. Stacks with different directories are independent.
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
from penstock.wiring.routes import packaged_routes
from penstock_local import postgres, process
from penstock_local.account import Account, emulator_only
from penstock_local.catalogs import NAMESPACE, create_catalog
from penstock_local.deploy import build, deploy
from penstock_local.errors import LocalStackError
from penstock_local.names import WORK_BUCKET, stack_names
from penstock_local.sources import checkout, deployable, is_checkout

__all__ = ["Stack", "emulator_only", "find", "running", "start", "state_directory", "stop"]

FUNCTIONS = ("ingest", "plan", "index", "work", "finish", "abort", "reconcile", "announce")

# The folder of the PostgreSQL server in a stack's state directory.
DATABASE = "postgres"

NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(Account):
    """The names and addresses of a stack's resources, as `penstock local up --json` prints them."""

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
    # Empty if an earlier Penstock started the stack.
    abort_function: str = ""
    # The catalog of Iceberg tables, and its database or namespace; empty if the stack has none.
    iceberg_catalog: str = ""
    iceberg_namespace: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def start(
    *,
    port: int = 0,
    routes: Path | None = None,
    state_dir: Path | None = None,
    parameters: Mapping[str, str] = NOTHING,
    iceberg: str = "",
    postgres_dsn: str = "",
    guard_fd: int | None = None,
) -> Stack:
    """Start an emulator and deploy the template to it. The stack runs until `stop`.

    ``port`` 0 means any free port. ``routes`` replaces the packaged routes.toml. ``parameters`` are those of the
    template. ``iceberg``: a catalog to create, "glue" or "s3tables". ``postgres_dsn`` names a database; without it, the
    stack starts its own server.
    Raises LocalStackError if the stack cannot be started, and InvalidRouteError before anything is started.
    """
    state_dir = state_dir or state_directory()
    text = _checked_routes(routes, parameters)
    template = build()
    _stack_file(state_dir).unlink(missing_ok=True)
    endpoint = f"http://{process.HOST}:{process.start(state_dir, port=port, guard_fd=guard_fd)}"
    account = Account(endpoint=endpoint, access_log=str(process.access_log(state_dir)))
    try:
        dsn = postgres_dsn or postgres.start(state_dir / DATABASE)
        catalog = create_catalog(account, iceberg, parameters) if iceberg else {}
        return _deploy(account, template, text, {"PostgresDsn": dsn, **catalog, **parameters}, state_dir)
    except BaseException:
        stop(state_dir)
        raise


def change(
    stack: Stack,
    *,
    routes: Path | None = None,
    parameters: Mapping[str, str] = NOTHING,
    iceberg: str = "",
    state_dir: Path | None = None,
) -> Stack:
    """Deploy a running stack again if routes, parameters or catalog differ from its own. What is not given stays."""
    state_dir = state_dir or state_directory()
    saved = json.loads(_stack_file(state_dir).read_text())
    changed = {**saved["parameters"], **parameters}
    if iceberg:
        changed = {**changed, **create_catalog(stack, iceberg, changed), **parameters}
    text = saved["routes"]
    if routes or not text:
        text = _checked_routes(routes, changed)
    else:
        parse_routes(text, "the routes of the stack", *stack_names(changed))
    if (text, changed) == (saved["routes"], saved["parameters"]):
        return stack
    return _deploy(stack, build(), text, changed, state_dir)


def find(state_dir: Path | None = None) -> Stack | None:
    """The stack that runs with this state directory; None if none runs."""
    state_dir = state_dir or state_directory()
    if process.pid(state_dir) is None:
        return None
    with suppress(FileNotFoundError):
        return Stack(**json.loads(_stack_file(state_dir).read_text())["stack"])
    raise LocalStackError(
        f"a local stack is being started in {state_dir}, or its start was interrupted",
        hint="Wait until it has started, or end it with `penstock local down`.",
    )


def stop(state_dir: Path | None = None) -> bool:
    """End a stack and all its processes. Returns False if none ran."""
    state_dir = state_dir or state_directory()
    _stack_file(state_dir).unlink(missing_ok=True)
    postgres.stop(state_dir / DATABASE)
    return process.stop(state_dir)


def wait(state_dir: Path | None = None) -> None:
    """Wait until `stop` has ended the stack. Raises LocalStackError if the stack ended in another way."""
    state_dir = state_dir or state_directory()
    while process.pid(state_dir) is not None:
        time.sleep(0.5)
    if _stack_file(state_dir).exists():
        raise LocalStackError("the emulator ended unexpectedly", hint=f"Its log is {process.log_file(state_dir)}.")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line of a function. ``at`` is in milliseconds. ``id`` is stable and unique."""

    at: int
    id: str
    function: str
    text: str


def function_logs(stack: Stack, functions: Iterable[str] = FUNCTIONS) -> list[LogLine]:
    """All log lines of these functions so far, in order of time."""
    logs, lines = stack.client("logs"), []
    numbers: Counter[str] = Counter()
    # The template composes the names of functions from this prefix.
    prefix = stack.ingest_function.removesuffix("ingest")
    for function in functions:
        group = f"/aws/lambda/{prefix}{function}"
        with suppress(logs.exceptions.ResourceNotFoundException):  # the function was never invoked
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                for event in page["events"]:
                    # The emulator gives events no id. Only one sandbox writes to a stream, so positions are stable.
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
    iceberg: str = "",
) -> Iterator[Stack]:
    """A stack while the block runs. It also ends with this process, even if the process is killed.

    No server is started if ``parameters`` name a database.
    """
    deployable()  # raises before anything is started if the installation is not complete
    _checked_routes(routes, parameters)
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
                iceberg=iceberg,
                postgres_dsn=dsn,
                guard_fd=guard_fd,
            )
        finally:
            stop(directory)


def _database(parameters: Mapping[str, str], directory: Path) -> AbstractContextManager[str]:
    given = parameters.get("PostgresDsn", "")
    return nullcontext(given) if given else postgres.running(directory / DATABASE)


def state_directory() -> Path:
    """The state directory of the commands' stack: in the checkout if there is one, else in XDG's state directory."""
    if is_checkout():
        return checkout() / ".penstock"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "penstock"


def _deploy(account: Account, template: Path, routes: str, parameters: Mapping[str, str], state_dir: Path) -> Stack:
    # The name contains a digest of the content, because warm functions cache routes by URI.
    key = f"config/routes-{hashlib.sha256(routes.encode()).hexdigest()[:12]}.toml"
    uri = {"RoutesUri": f"s3://{WORK_BUCKET}/{key}"} if routes else {}
    outputs = deploy(account, template, {**parameters, **uri}, state_dir)
    if routes:
        account.client("s3").put_object(Bucket=WORK_BUCKET, Key=key, Body=routes.encode())
    stack = Stack(
        endpoint=account.endpoint,
        access_log=account.access_log,
        source_bucket=outputs["AllSourceBucketNames"].partition(",")[0],
        destination_bucket=outputs.get("AllDestinationBucketNames", "").partition(",")[0],
        work_bucket=outputs["WorkBucketName"],
        jobs_table=outputs["JobsTableName"],
        queue_url=outputs["QueueUrl"],
        dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
        ingest_function=outputs["IngestFunctionName"],
        abort_function=outputs["AbortFunctionName"],
        state_machine=outputs["StateMachineArn"],
        records_table=outputs["RecordsTableName"],
        postgres_dsn=parameters.get("PostgresDsn", ""),
        iceberg_catalog=parameters.get("IcebergCatalog", ""),
        iceberg_namespace=NAMESPACE if parameters.get("IcebergCatalog") else "",
        pid=process.pid(state_dir) or 0,
        log=str(process.log_file(state_dir)),
    )
    saved = {"stack": stack.as_json(), "routes": routes, "parameters": dict(parameters)}
    written = _stack_file(state_dir).with_suffix(".new")
    # Parameters may contain the password of a database.
    with open(written, "w", opener=private) as file:  # Path.open takes no opener
        json.dump(saved, file, indent=2)
    written.replace(_stack_file(state_dir))
    return stack


def _checked_routes(routes: Path | None, parameters: Mapping[str, str]) -> str:
    """The text of a valid routes file; empty for the packaged one, if that suits the stack's buckets."""
    names, buckets = stack_names(parameters)
    if routes is None:
        parse_routes(packaged_routes().read_text(), str(packaged_routes()), names, buckets)
        return ""
    try:
        text = routes.read_text()
    except OSError as error:
        raise LocalStackError(
            f"cannot read {routes}: {error.strerror}", hint="Pass a routes file that you can read."
        ) from error
    parse_routes(text, str(routes), names, buckets)
    return text


def _stack_file(state_dir: Path) -> Path:
    return state_dir / "local.json"


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given:
        yield given
    else:
        with TemporaryDirectory(prefix="penstock-") as temporary:
            yield Path(temporary)
