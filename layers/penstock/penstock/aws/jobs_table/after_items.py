"""What the jobs table keeps of actions after jobs: attributes of a job's item, and an item ``after#<job id>``.

The attributes are written by the claim, so that the end of the job, whoever writes it, shows the function `after` what
to do: ``after_state`` is ``pending``, and ``state`` becomes final. The item ``after#<job id>`` exists as long as there
may be something to do. The reconciler finds it by the index, should the stream of the table have lost the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.model.after import After, AfterState, AfterStatus
from penstock.model.job import Job
from penstock.model.object import Location

# The reconciler checks a claimed job after this time.
FIRST_CHECK_SECONDS = 600.0

_NUMBERS = ("after_until", "after_tries", "after_sends")
_TEXTS = ("after_message", "after_holder", "after_upload")
# Without these attributes, a job has no action. ``location`` stays: it is where the object is.
DECISIVE = ("after", "after_state")


def after_key(job_id: str) -> str:
    """Return the key of the item that stands for an action to be done."""
    return f"after#{job_id}"


def plan_of(job: Job) -> After | None:
    """Return the actions of a job's route. Members of archives have no object of their own."""
    return None if job.source.member else job.route.after


def planned(plan: After) -> dict[str, Any]:
    """Return the attributes of a job whose action is to be done when it ends."""
    return {
        "after": {"success": plan.success, "failure": plan.failure},
        "after_state": str(AfterState.PENDING),
        "after_copied": {},
        **dict.fromkeys(_NUMBERS, 0),
        **dict.fromkeys(_TEXTS, ""),
    }


def after_of(item: Mapping[str, Any]) -> AfterStatus | None:
    """Return the part of a job's item about its action; None if there is none."""
    if not item.get("after"):
        return None
    return AfterStatus(
        plan=After(**item["after"]),
        state=AfterState(item["after_state"]),
        message=item.get("after_message", ""),
        holder=item.get("after_holder", ""),
        until=float(item.get("after_until", 0)),
        tries=int(item.get("after_tries", 0)),
        sends=int(item.get("after_sends", 0)),
        copied=_location(item.get("after_copied")),
        upload=item.get("after_upload", ""),
    )


def location_of(item: Mapping[str, Any]) -> Location | None:
    """Return where the object of a job is, if it was moved."""
    return _location(item.get("location"))


def located(location: Location) -> dict[str, str]:
    """Return the value of ``location`` and of ``after_copied``."""
    return {"key": location.key, "etag": location.etag, "version": location.version_id}


def _location(value: Mapping[str, str] | None) -> Location | None:
    return Location(value["key"], value["etag"], value["version"]) if value else None
