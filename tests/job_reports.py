"""Sample job reports: of a job that succeeded on many workers, of one that failed, and one with hostile texts."""

from __future__ import annotations

import random
from dataclasses import replace

from penstock.model.job import Failure, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus, Phase
from penstock.model.object import Source
from penstock.model.record import RecordPosition, Reject
from penstock.model.span import SpanReceipt
from penstock.operations.job_report import JobReport

BEGAN = 1_795_249_800.0
HOSTILE = '<script>document.title="owned"</script>&"\'\x1b[2J\u202e.csv.gz'
SOURCE = Source("drops", "orders/2026-11-22.csv.gz", 93_000_000, "9b2cf535f27731c974343645a3985328-12", "v1", "0A00")


def spans(count: int = 24, workers: int = 6, *, rejecting: int = 5) -> tuple[SpanReceipt, ...]:
    """The receipts of spans that a Map with so many workers delivered."""
    generator, free = random.Random(11), [BEGAN + 9.0] * workers
    done = []
    for number in range(1, count + 1):
        worker = min(range(workers), key=lambda candidate: free[candidate])
        began, seconds = free[worker] + generator.uniform(0.02, 0.3), generator.uniform(3, 6)
        free[worker] = began + seconds
        rejects = 3 if number == rejecting else 0
        done.append(
            SpanReceipt(number, 3_875_000, 16_000_000, 0xDEAD0000 + number, 250_000, rejects, 31, seconds, began=began)
        )
    return tuple(done)


def succeeded() -> JobReport:
    done = spans()
    ended = max(span.began + span.seconds for span in done) + 1.5
    status = JobStatus(
        job_id="3f9a41c2d5e64b7f8a9b0c1d2e3f4a5b",
        state=JobState.SUCCEEDED,
        source=SOURCE.uri,
        route="orders",
        target="postgresql:orders",
        size=SOURCE.size,
        progress=Progress(SOURCE.size, 384_000_000, 6_000_000, 3),
        attempts=1,
        started_at=BEGAN,
        updated_at=ended,
        finished_at=ended,
        codec="gzip",
        crc32="8d1f00aa",
        parts=744,
        warnings=("3 of 6,000,003 records were rejected: see jobs/3f9a41c2d5e64b7f8a9b0c1d2e3f4a5b/rejects/",),
        execution="3f9a41c2d5e64b7f8a9b0c1d2e3f4a5b",
        spans=len(done),
        spans_done=len(done),
        upload=SOURCE,
        phases=(
            (Phase.PLAN, BEGAN + 0.5),
            (Phase.INDEX, BEGAN + 1),
            (Phase.SPANS, BEGAN + 9),
            (Phase.FINISH, ended - 1),
        ),
        indexed=SOURCE.size,
    )
    receipt = Receipt(SOURCE.size, 384_000_000, 0x8D1F00AA, 744, "gzip", rows=6_000_000, rejects=3)
    rejects = (
        Reject(RecordPosition(1_000_231, 64_014_784, "1000231,Zoë O'Neill,not a date,12.50"), "not a date", "born", 5),
        Reject(
            RecordPosition(1_000_977, 64_062_528, '1000977,"Smith, J.",,99999999999999999999'),
            "out of range",
            "total",
            5,
        ),
        Reject(RecordPosition(1_100_004, 70_400_256, "1100004,only,three"), "3 fields where 4 are expected", "", 5),
    )
    return JobReport(status, receipt, done, rejects)


def failed() -> JobReport:
    report = succeeded()
    done = report.spans[:9]
    failure = Failure(
        "TooManyRejectsError",
        f"{SOURCE.uri}: 31 records were rejected, but the limit is 3; they are listed in jobs/.../rejects/",
        "Fix the listed records and upload the file again, or increase the route's max_rejects.",
    )
    status = replace(
        report.status,
        state=JobState.FAILED,
        failure=failure,
        warnings=(),
        spans_done=9,
        crc32="",
        codec="",
        parts=0,
        redrives=1,
        attempts=2,
        progress=Progress(35_000_000, 144_000_000, 2_250_000, 31),
        phases=report.status.phases[:3],
    )
    return JobReport(status, None, done, report.rejects)


def running() -> JobReport:
    report = failed()
    status = replace(
        report.status, state=JobState.EXECUTING, failure=None, finished_at=0.0, progress=Progress(35_000_000)
    )
    return JobReport(status, None, report.spans, ())


def hostile() -> JobReport:
    """A report in which every text from outside is hostile."""
    report = failed()
    uri = f"s3://drops/in/{HOSTILE}"
    status = replace(
        report.status,
        source=uri,
        target=f"s3://lake/{HOSTILE}",
        route=HOSTILE,
        codec=HOSTILE,
        execution=HOSTILE,
        warnings=(HOSTILE,),
        failure=Failure(HOSTILE, HOSTILE, HOSTILE),
        upload=replace(SOURCE, key=f"in/{HOSTILE}", etag=HOSTILE, version_id=HOSTILE),
    )
    rejects = (Reject(RecordPosition(1, 0, HOSTILE + "\ud800\x00"), HOSTILE, HOSTILE),)
    receipt = Receipt(1, 1, 1, 1, HOSTILE, etag=HOSTILE, version_id=HOSTILE)
    return JobReport(status, receipt, report.spans, rejects)
