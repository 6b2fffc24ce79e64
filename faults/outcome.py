"""What must be true of a run's destination, job records and leftovers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from faults.sources import JobKind, Row
from faults.world import WORK, Destination

BEFORE = b"what stood there before"
OLD: Row = (-1, "before")
LEDGER = "penstock_ledger"


def prepare(place: Destination, kind: JobKind) -> None:
    """Have something stand at the destination."""
    if kind.store == "bucket":
        place.world.client("s3").put_object(Bucket=place.results, Key=_key(place, kind), Body=BEFORE)
    elif kind.store == "postgresql":
        unique = "PRIMARY KEY" if kind.mode == "upsert" else "NOT NULL"
        place.execute(f"CREATE TABLE people (id bigint {unique}, name text)")
        place.execute("INSERT INTO people VALUES (-1, 'before')")


def problems(place: Destination, kind: JobKind, jobs: Sequence[Mapping[str, Any]], *, whole: bool) -> list[str]:
    """What is not as it must be; ``whole``: only success is."""
    states = Counter(job["state"] for job in jobs)
    wrong = [f"job {job['pk']} is {job['state']}: {job.get('failure')}" for job in jobs if _is_wrong(job, whole=whole)]
    if len(jobs) != len(kind.files()) and whole:
        wrong.append(f"{len(jobs)} jobs for {len(kind.files())} files")
    done = set(states) == {"succeeded"} and len(jobs) == len(kind.files())
    if kind.store == "bucket":
        return wrong + _wrong_object(place, kind, jobs, done=done)
    if kind.store == "postgresql":
        wrong += _wrong_rows(place, kind, done=done)
        left = place.tables() - {"people", LEDGER}
        if left and set(states) <= {"succeeded", "failed"}:
            wrong.append(f"tables were left: {sorted(left)}")
    else:
        wrong += _wrong_items(place, kind, done=done)
    return wrong + (_wrong_counts(place, kind, jobs) if done else [])


def _is_wrong(job: Mapping[str, Any], *, whole: bool) -> bool:
    return job["state"] != "succeeded" if whole else job["state"] in ("superseded", "skipped")


def _key(place: Destination, kind: JobKind) -> str:
    return f"{place.name}/{next(iter(kind.files())).removesuffix('.gz').removesuffix('.xz')}"


def _wrong_object(place: Destination, kind: JobKind, jobs: Sequence[Mapping[str, Any]], *, done: bool) -> list[str]:
    s3 = place.world.client("s3")
    try:
        data = s3.get_object(Bucket=place.results, Key=_key(place, kind))["Body"].read()
    except s3.exceptions.NoSuchKey:
        return ["succeeded, but nothing stands there"] if done else []
    versions = len(place.versions(place.results))
    wrong = []
    if done and data != kind.content():
        wrong.append(f"succeeded, but {len(data):,} bytes stand there that are not the {len(kind.content()):,}")
    if done and int(jobs[0]["bytes_out"]) != len(data):
        wrong.append(f"{jobs[0]['bytes_out']} bytes are on record, {len(data):,} stand there")
    # A job that waits may have published already: whoever did it died before saying so.
    if not done and data not in (BEFORE, kind.content()):
        wrong.append(f"half of it stands there: {len(data):,} bytes")
    if not done and data != BEFORE and jobs and jobs[0]["state"] == "failed":
        wrong.append("failed, but its object stands there")
    if versions > 2:
        wrong.append(f"was published {versions - 1} times")
    return wrong


def _wrong_rows(place: Destination, kind: JobKind, *, done: bool) -> list[str]:
    found: list[Row] = sorted(place.execute("SELECT id, name FROM people"))
    old = [] if kind.mode == "replace" and done else [OLD]
    if done:
        return [] if found == [*old, *kind.rows] else [f"{len(found):,} rows, not the {len(kind.rows) + len(old):,}"]
    if kind.mode == "replace":
        # A job that waits may have swapped its table in.
        return [] if found in ([OLD], list(kind.rows)) else [f"half of it is visible: {len(found):,} rows"]
    if kind.mode == "upsert":
        return [] if {n for n, _ in found} <= {n for n, _ in (OLD, *kind.rows)} else ["rows that nobody has sent"]
    strange = Counter(found) - Counter([OLD, *kind.rows])
    return [f"{sum(strange.values()):,} rows twice, or of nobody's"] if strange else []


def _wrong_items(place: Destination, kind: JobKind, *, done: bool) -> list[str]:
    found = sorted((int(item["id"]["S"]), item["name"]["S"]) for item in place.items(place.records))
    if done:
        return [] if found == kind.rows else [f"{len(found):,} items, not the {len(kind.rows):,}"]
    return [] if {n for n, _ in found} <= {n for n, _ in kind.rows} else ["items that nobody has sent"]


def _wrong_counts(place: Destination, kind: JobKind, jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is on record of rows and rejects."""
    counts = sum(int(job["rows"]) for job in jobs), sum(int(job["rejects"]) for job in jobs)
    wrong = []
    if counts != (kind.records, len(kind.rejects)):
        wrong.append(f"rows and rejects on record: {counts}, not {(kind.records, len(kind.rejects))}")
    s3 = place.world.client("s3")
    kept = []
    for job in jobs:
        folder = f"jobs/{job['pk'].removeprefix('job#')}/rejects/"
        for file in s3.list_objects_v2(Bucket=WORK, Prefix=folder).get("Contents", ()):
            lines = s3.get_object(Bucket=WORK, Key=file["Key"])["Body"].read().splitlines()
            kept += [json.loads(line)["row"] for line in lines]
    if sorted(kept) != sorted(kind.rejects):
        wrong.append(f"{len(kept)} rejects were kept, not the {len(kind.rejects)}")
    return wrong
