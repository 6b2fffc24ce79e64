"""What a job has delivered, as the record of a job in memory shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

from penstock.model.job import Progress, Receipt
from penstock.model.job_status import JobState, JobStatus, Stage
from penstock.model.span import delivery_of


def delivered(status: JobStatus, receipt: Receipt) -> JobStatus:
    """Return the status of a job with its receipt."""
    return replace(
        status,
        progress=receipt.progress,
        codec=receipt.codec,
        crc32=f"{receipt.crc32:08x}",
        parts=receipt.parts,
        warnings=receipt.warnings,
        changes=receipt.changes,
        result_etag=receipt.etag,
        result_version_id=receipt.version_id,
        repeat_of=receipt.repeat_of,
    )


def with_units(
    status: JobStatus,
    units: Mapping[tuple[str, Stage, int], tuple[Progress, bool]],
    times: Mapping[tuple[str, Stage], float],
) -> JobStatus:
    """Return the status of a job with what the units of its execution have done, and when."""
    if not status.execution or status.state is JobState.SUCCEEDED:
        return status
    delivery = delivery_of(status.execution, status.round)
    done = [unit for key, unit in units.items() if key[:2] == (delivery, Stage.DELIVER)]
    read = [unit for key, unit in units.items() if key[:2] == (status.execution, Stage.READ)]
    latest = (times.get(stage, 0.0) for stage in ((delivery, Stage.DELIVER), (status.execution, Stage.READ)))
    return replace(
        status,
        progress=reduce(Progress.plus, (progress for progress, _ in done), status.progress),
        spans_done=status.spans_done + sum(is_done for _, is_done in done),
        indexed=sum(progress.bytes_in for progress, _ in read),
        updated_at=max(status.updated_at, *latest),
    )
