"""How the command writes what a job has loaded."""

from __future__ import annotations

import pytest

from penstock.model.job import Progress
from penstock.model.job_status import JobState, JobStatus
from penstock_cli import job_text


@pytest.mark.parametrize(
    ("target", "state", "loaded", "delivered"),
    [
        ("postgresql:orders", JobState.FAILED, "1,234 loaded", "1,234 rows"),
        ("iceberg:lake.orders", JobState.SUCCEEDED, "1,234 loaded", "1,234 rows"),
        ("iceberg:lake.orders", JobState.COMMITTING, "1,234 written, not in the table", "1,234 rows written"),
        ("iceberg:lake.orders", JobState.FAILED, "1,234 written, not in the table", "1,234 rows written"),
        ("iceberg:lake.orders", JobState.IN_DOUBT, "1,234 written, perhaps in the table", "1,234 rows written"),
    ],
)
def test_rows_are_loaded_once_their_table_has_them(target: str, state: JobState, loaded: str, delivered: str) -> None:
    status = JobStatus("j1", state, "s3://drops/a.csv", target=target, progress=Progress(rows=1234))
    assert (job_text.loaded(status), job_text.delivered(status)) == (loaded, delivered)
