"""What a function does, in the process of its own that may be killed. Imports `hurry`: not for other processes."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from faults import fast_clock
from faults.invocation_request import Answer, InvocationRequest
from penstock.aws.session import session
from penstock.errors import PenstockError
from penstock.model.source import Deadline
from penstock.settings import Settings
from penstock.testing import ManualDeadline
from penstock.wiring import functions
from penstock.wiring import large_jobs as wired_steps
from penstock.wiring import tables as wired_tables


def _warm_up() -> None:
    """Have botocore parse its descriptions of the services once, for all processes that are forked from this one."""
    for service in ("s3", "dynamodb", "stepfunctions", "events", "sqs", "lambda"):
        session().client(
            service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        ).close()


_warm_up()
# 60 MB of modules, which each process would otherwise import for itself.
PRELOADED = (wired_steps, wired_tables)


def do(order: InvocationRequest) -> Answer:
    """Do what is ordered."""
    os.environ.clear()
    os.environ.update(order.environment)
    fast_clock.move(order.ahead)
    try:
        return Answer(_VERBS[order.verb](order.event, ManualDeadline(order.seconds, order.per_look)))
    except PenstockError as error:
        return Answer(error=type(error).__name__, message=str(error))
    except Exception as error:  # noqa: BLE001  # what is none of ours is what the suite looks for
        return Answer(error=type(error).__name__, message=traceback.format_exc(), ours=False)


def _ingest(event: Any, deadline: Deadline) -> list[str]:
    """The ids of the messages that must be delivered again."""
    return list(functions.ingest().handle(event, deadline).returned)


def _begin_again(jobs: Sequence[str]) -> int:
    """What `redrive` writes; how many jobs there were to begin again."""
    store = functions.build_job_store(Settings.from_environment())
    found = [status for status in map(store.get, jobs) if status]
    return sum(store.reopen(status) for status in found)


# As functions/*/app.py have them.
_VERBS: Mapping[str, Callable[[Any, Deadline], Any]] = {
    "ingest": _ingest,
    "plan": lambda event, deadline: functions.plan()(event["job"], event["attempt"], deadline),
    "index": lambda event, deadline: functions.index()(event["job"], event["attempt"], event.get("piece"), deadline),
    "work": lambda event, deadline: functions.work()(
        event["job"], event["attempt"], event["span"], deadline, event.get("round", 0)
    ),
    "finish": lambda event, _: functions.finish()(event["job"], event["attempt"], event["round"]),
    "abort": lambda event, _: functions.abort()(event["job"], event["attempt"], event["error"]),
    "reconcile": lambda _, deadline: dict(functions.reconcile()(deadline)),
    "begin again": lambda jobs, _: _begin_again(jobs),
}
