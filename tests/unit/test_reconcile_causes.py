"""What a job that cannot be cleaned up may leave."""

from __future__ import annotations

import pytest

from penstock.jobs.reconcile.causes import left_behind
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus
from penstock.model.route import MEMBERS

STAGING = "staging tables named penstock_staging_j1, if any exist"
FILES = "files with j1 in their names, which no reader sees, if any exist"


@pytest.mark.parametrize(
    ("target", "uploads", "left"),
    [
        ("s3://lake/a.csv", ("u1",), "multipart upload u1 to s3://lake/a.csv"),
        ("s3://lake/a.csv", (), "nothing"),
        ("postgresql:orders", (), STAGING),
        ("dynamodb:orders", (), "nothing"),
        ("parquet:s3://lake/orders/", (), "files with j1 in their names, if any exist"),
        ("iceberg:lake.orders", (), FILES),
        (MEMBERS, (), f"{STAGING}, files with j1 in their names, if any exist, {FILES}"),
    ],
)
def test_the_message_names_what_the_destination_may_keep(target: str, uploads: tuple[str, ...], left: str) -> None:
    status = JobStatus("j1", JobState.EXECUTING, "s3://drops/a.csv", target=target, uploads=uploads)
    failure = left_behind(status, Failure("DestinationDeniedError", "refused", "Grant it."), 5)
    assert failure.message == f"refused; `abort` failed 5 times and may have left {left}"
