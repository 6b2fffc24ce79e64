"""The part of a job's item about the commit of its files.

Earlier releases cannot read the states COMMITTING and IN_DOUBT. So the attribute ``state`` is `JobState.stored` then,
and an attribute that is named after the state is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from penstock.model.commit import CommitNote
from penstock.model.job_status import JobState

# The states that earlier releases do not know.
MARKED = (JobState.COMMITTING, JobState.IN_DOUBT)


def state_of(item: Mapping[str, Any]) -> JobState:
    """Return the state of a job from its item."""
    stored = JobState(item["state"])
    marked = (state for state in MARKED if state.stored is stored and item.get(str(state)))
    return next(marked, stored)


def state_fields(state: JobState) -> dict[str, Any]:
    """Return the attributes of a state that a job with a commit enters."""
    return {"state": str(state.stored)} | {str(marked): marked is state for marked in MARKED}


def commit_of(item: Mapping[str, Any]) -> CommitNote:
    """Return the commit of a job from its item. Numbers of snapshots have up to 19 digits."""
    base, snapshot = (item.get(name) for name in ("commit_base", "commit_snapshot"))
    return CommitNote(
        id=item.get("commit_id", ""),
        base=None if base is None else int(base),
        requested=float(item.get("commit_requested", 0)),
        under_way=bool(item.get("commit_under_way", False)),
        snapshot=None if snapshot is None else int(snapshot),
        replaces=item.get("commit_replaces", ""),
        series=item.get("commit_series", ""),
        order=item.get("commit_order", ""),
    )


def commit_fields(note: CommitNote) -> dict[str, Any]:
    """Return the attributes that `commit_of` reads."""
    return {f"commit_{name}": value for name, value in asdict(note).items()}
