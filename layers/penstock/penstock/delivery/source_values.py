"""The values of a job's source that its columns may hold. They are the same in every attempt."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from penstock.errors import SourceValueError
from penstock.limits import S3
from penstock.model.job import Job
from penstock.model.source_values import KEY_GROUP, NO_VALUES, SourceValues
from penstock.model.table import TablePlan


def source_values(job: Job, plan: TablePlan, load_id: str = "") -> SourceValues:
    """Return the values that the plan's columns take; nothing if they take none.

    ``load_id``: the id of the load, if it is not that of the job. Raises SourceValueError if the key does not match
    the pattern of the plan.
    """
    if not plan.metadata:
        return NO_VALUES
    source = job.source
    return {
        "key": source.key or None,
        **{name: text or None for name, text in source.values.items()},
        "last_modified": job.modified or None,
        "member": source.member.path if source.member else None,
        "job": load_id or job.id,
        "loaded_at": time_text(job.begun) if job.begun else None,
        **_groups(source.key, plan.key_pattern),
    }


def time_text(seconds: float) -> str:
    """Return a time (Unix seconds) as ISO 8601 in UTC."""
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _groups(key: str, pattern: str) -> SourceValues:
    if not pattern:
        return {}
    if len(key) > S3.max_key:
        raise SourceValueError(f"the key has {len(key):,} characters; key_pattern reads at most {S3.max_key:,}")
    found = re.search(pattern, key)
    if found is None:
        raise SourceValueError(f"the key {key!r} does not match key_pattern = {pattern!r}")
    return {f"{KEY_GROUP}{name}": text for name, text in found.groupdict().items()}
