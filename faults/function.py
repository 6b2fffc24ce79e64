"""Runs a function's code in a process that may be killed. Imports `fast_clock`: not for other processes."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from faults import fast_clock
from faults.invocation_request import InvocationRequest, InvocationResult
from penstock.aws.session import session
from penstock.destinations.iceberg import committer as iceberg_committer
from penstock.errors import PenstockError
from penstock.model.source import Deadline
from penstock.settings import Settings
from penstock.testing import ManualDeadline
from penstock.wiring import after as wired_after
from penstock.wiring import commit as wired_commit
from penstock.wiring import functions
from penstock.wiring import large_jobs as wired_steps
from penstock.wiring import tables as wired_tables


def _warm_up() -> None:
    """Have botocore parse its service models once, for all processes forked from this one."""
    for service in ("s3", "dynamodb", "stepfunctions", "events", "sns", "sqs", "lambda", "glue", "s3tables"):
        session().client(
            service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        ).close()


_warm_up()
# 60 MB of modules, which each process would otherwise import itself.
PRELOADED = (wired_steps, wired_tables, wired_after, wired_commit, iceberg_committer)


def handle(request: InvocationRequest) -> InvocationResult:
    """Run the requested function."""
    os.environ.clear()
    os.environ.update(request.environment)
    fast_clock.set_offset(request.clock_offset)
    try:
        return InvocationResult(
            _VERBS[request.verb](request.event, ManualDeadline(request.seconds, request.seconds_per_check))
        )
    except PenstockError as error:
        return InvocationResult(error=type(error).__name__, message=str(error))
    except Exception as error:  # noqa: BLE001  # an error other than Penstock's is a finding of the suite
        return InvocationResult(error=type(error).__name__, message=traceback.format_exc(), is_penstock_error=False)


def _ingest(event: Any, deadline: Deadline) -> list[str]:
    """Return the ids of the messages that the queue must deliver again."""
    return list(functions.ingest().handle(event, deadline).returned)


def _abort(event: Any) -> dict[str, object]:
    if "unused" in event:
        return functions.unused()(event["unused"])
    return functions.abort()(event["job"], event["attempt"], event["error"])


def _commit(event: Any, deadline: Deadline) -> Any:
    """Create a table, or return the ids of the messages that the queue must deliver again."""
    if "prepare" in event:
        return functions.prepare(event["prepare"])
    return list(functions.commit()(event, deadline).returned)


def _redrive(jobs: Sequence[str]) -> int:
    """Reopen jobs as `penstock jobs redrive` does; return the number of jobs reopened."""
    store = functions.build_job_store(Settings.from_environment())
    found = [status for status in map(store.get, jobs) if status]
    return sum(store.reopen(status) for status in found)


# The same calls as in functions/*/app.py.
_VERBS: Mapping[str, Callable[[Any, Deadline], Any]] = {
    "ingest": _ingest,
    "plan": lambda event, deadline: functions.plan()(event["job"], event["attempt"], deadline),
    "index": lambda event, deadline: functions.index()(event["job"], event["attempt"], event.get("piece"), deadline),
    "work": lambda event, deadline: functions.work()(
        event["job"], event["attempt"], event["span"], deadline, event.get("round", 0)
    ),
    "finish": lambda event, _: functions.finish()(event["job"], event["attempt"], event["round"]),
    "abort": lambda event, _: _abort(event),
    "commit": _commit,
    "after": lambda event, deadline: functions.after()(event, deadline).response,
    "reconcile": lambda _, deadline: dict(functions.reconcile()(deadline)),
    "announce": lambda event, _: list(functions.announce()(event).failed),
    "redrive": lambda jobs, _: _redrive(jobs),
}
