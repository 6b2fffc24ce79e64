"""Checks a run's destination, its job records and what it left over."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pyarrow.parquet import read_table

from faults import lake_outcome
from faults.servers import WORK, RunResources
from faults.sources import JobKind, Row

BEFORE = b"what stood there before"
OLD: Row = lake_outcome.OLD
ENDED = {"succeeded", "failed"}
LEDGER, LOADS = "penstock_ledger", "penstock_loads"


def prepare(resources: RunResources, kind: JobKind) -> None:
    """Put existing content at the destination."""
    if kind.store == "bucket":
        resources.servers.client("s3").put_object(Bucket=resources.results, Key=_key(resources, kind), Body=BEFORE)
    elif kind.store == "iceberg":
        lake_outcome.prepare(resources, kind)
    elif kind.store in ("postgresql", "archive"):
        unique = "PRIMARY KEY" if kind.mode == "upsert" else "NOT NULL"
        resources.execute(f"CREATE TABLE people (id bigint {unique}, name text)")
        resources.execute("INSERT INTO people VALUES (-1, 'before')")


def problems(
    resources: RunResources, kind: JobKind, jobs: Sequence[Mapping[str, Any]], *, success_only: bool
) -> list[str]:
    """Return what is wrong. With ``success_only``, a failed job is wrong, too."""
    states = Counter(job["state"] for job in jobs)
    wrong = [
        f"job {job['pk']} is {job['state']}: {job.get('failure')}"
        for job in jobs
        if _is_wrong(job, success_only=success_only)
    ]
    expected = len(kind.files()) + kind.children
    if len(jobs) != expected and success_only:
        wrong.append(f"{len(jobs)} jobs, not {expected}")
    done = set(states) == {"succeeded"} and len(jobs) == expected
    if kind.store == "bucket":
        return wrong + _wrong_object(resources, kind, jobs, done=done)
    if kind.store == "iceberg":
        ended = not resources.unused_files() and set(states) <= ENDED
        wrong += lake_outcome.wrong_table(resources, kind, jobs, done=done, ended=ended)
        return wrong + (_wrong_counts(resources, kind, jobs) if done else [])
    if kind.store == "parquet":
        return wrong + _wrong_files(resources, kind, done=done) + (_wrong_counts(resources, kind, jobs) if done else [])
    if kind.store == "archive":
        wrong += _wrong_members(resources, kind, done=done)
    if kind.store in ("postgresql", "archive"):
        wrong += _wrong_rows(resources, kind, done=done)
        left = resources.tables() - {"people", LEDGER, LOADS}
        if left and set(states) <= {"succeeded", "failed"}:
            wrong.append(f"tables were left: {sorted(left)}")
    else:
        wrong += _wrong_items(resources, kind, done=done)
    return wrong + (_wrong_counts(resources, kind, jobs) if done else [])


def _is_wrong(job: Mapping[str, Any], *, success_only: bool) -> bool:
    return job["state"] != "succeeded" if success_only else job["state"] in ("superseded", "skipped")


def _key(resources: RunResources, kind: JobKind) -> str:
    return f"{resources.name}/{next(iter(kind.files())).removesuffix('.gz').removesuffix('.xz')}"


def _wrong_object(
    resources: RunResources, kind: JobKind, jobs: Sequence[Mapping[str, Any]], *, done: bool
) -> list[str]:
    s3 = resources.servers.client("s3")
    try:
        data = s3.get_object(Bucket=resources.results, Key=_key(resources, kind))["Body"].read()
    except s3.exceptions.NoSuchKey:
        return ["succeeded, but the object is missing"] if done else []
    versions = len(resources.versions(resources.results))
    wrong = []
    if done and data != kind.content():
        wrong.append(
            f"succeeded, but {len(data):,} bytes were published that are not the {len(kind.content()):,} expected"
        )
    if done and int(jobs[0]["bytes_out"]) != len(data):
        wrong.append(f"{jobs[0]['bytes_out']} bytes are on record, the object has {len(data):,}")
    # A waiting job may have published already: that attempt was killed before it recorded it.
    if not done and data not in (BEFORE, kind.content()):
        wrong.append(f"partial object: {len(data):,} bytes")
    if not done and data != BEFORE and jobs and jobs[0]["state"] == "failed":
        wrong.append("failed, but its object was published")
    if versions > 2:
        wrong.append(f"was published {versions - 1} times")
    return wrong


def _wrong_members(resources: RunResources, kind: JobKind, *, done: bool) -> list[str]:
    """Compare the objects of an archive's members with the expected ones: each once, and complete."""
    s3, folder = resources.servers.client("s3"), f"{resources.name}/{next(iter(kind.files()))}/"
    found = [version["Key"].removeprefix(folder) for version in resources.versions(resources.results)]
    expected = kind.members()
    wrong = [f"{name} was published {times} times" for name, times in Counter(found).items() if times > 1]
    for name in set(found) & expected.keys():
        stored = s3.get_object(Bucket=resources.results, Key=folder + name)["Body"].read()
        wrong += [f"{name} differs"] if stored != expected[name] else []
    if strange := set(found) - expected.keys():
        wrong.append(f"objects that are no members: {sorted(strange)}")
    if done and (missing := expected.keys() - set(found)):
        wrong.append(f"members are missing: {sorted(missing)}")
    return wrong


def _wrong_rows(resources: RunResources, kind: JobKind, *, done: bool) -> list[str]:
    found: list[Row] = sorted(resources.execute("SELECT id, name FROM people"))
    old = [] if kind.mode == "replace" and done else [OLD]
    if done:
        return [] if found == [*old, *kind.rows] else [f"{len(found):,} rows, not the {len(kind.rows) + len(old):,}"]
    if kind.mode == "replace":
        # A waiting job may have swapped its table in already.
        return [] if found in ([OLD], list(kind.rows)) else [f"partial load is visible: {len(found):,} rows"]
    if kind.mode == "upsert":
        return [] if {n for n, _ in found} <= {n for n, _ in (OLD, *kind.rows)} else ["rows that no file contains"]
    strange = Counter(found) - Counter([OLD, *kind.rows])
    return [f"{sum(strange.values()):,} rows twice, or in no file"] if strange else []


def _wrong_items(resources: RunResources, kind: JobKind, *, done: bool) -> list[str]:
    found = sorted((int(item["id"]["S"]), item["name"]["S"]) for item in resources.items(resources.records))
    if done:
        return [] if found == kind.rows else [f"{len(found):,} items, not the {len(kind.rows):,}"]
    return [] if {n for n, _ in found} <= {n for n, _ in kind.rows} else ["items that no file contains"]


def _wrong_files(resources: RunResources, kind: JobKind, *, done: bool) -> list[str]:
    """Compare the rows of all Parquet files with the expected ones. A failed job keeps those of its complete spans."""
    s3 = resources.servers.client("s3")
    found: list[Row] = []
    for key in {version["Key"] for version in resources.versions(resources.results)}:
        data = s3.get_object(Bucket=resources.results, Key=key)["Body"].read()
        found += [(row["id"], row["name"]) for row in read_table(io.BytesIO(data)).to_pylist()]
    if done:
        return [] if sorted(found) == list(kind.rows) else [f"{len(found):,} rows, not the {len(kind.rows):,}"]
    strange = Counter(found) - Counter(kind.rows)
    return [f"{sum(strange.values()):,} rows twice, or in no file"] if strange else []


def _wrong_counts(resources: RunResources, kind: JobKind, jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compare the rows and rejects on record with the expected ones. The job of an archive counts those of its
    members, also of one that has a job."""
    own = [job for job in jobs if job["source"].endswith(tuple(kind.files()))]
    counts = sum(int(job["rows"]) for job in own), sum(int(job["rejects"]) for job in own)
    wrong = []
    if counts != (kind.records, len(kind.rejects)):
        wrong.append(f"rows and rejects on record: {counts}, not {(kind.records, len(kind.rejects))}")
    s3 = resources.servers.client("s3")
    kept = []
    for job in jobs:
        folder = f"jobs/{job['pk'].removeprefix('job#')}/rejects/"
        for file in s3.list_objects_v2(Bucket=WORK, Prefix=folder).get("Contents", ()):
            lines = s3.get_object(Bucket=WORK, Key=file["Key"])["Body"].read().splitlines()
            kept += [json.loads(line)["row"] for line in lines]
    if sorted(kept) != sorted(kind.rejects):
        wrong.append(f"{len(kept)} rejects were kept, not the {len(kind.rejects)}")
    return wrong
