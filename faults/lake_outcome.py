"""Checks the Iceberg table of a run: each row once, one snapshot for each commit, no file that nothing names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from faults.lake import RunTable, commits_of, referenced_files
from faults.servers import RunResources
from faults.sources import JobKind, Row

if TYPE_CHECKING:
    from pyiceberg.table import Table

OLD: Row = (-1, "before")


def prepare(resources: RunResources, kind: JobKind) -> None:
    """Create the namespace of a run, and the table with a row if its jobs replace rows."""
    table, client = resources.table, resources.servers.client
    table.create_namespace(client("glue"), client("s3tables"))
    if kind.mode == "replace":
        table.create()
        table.append([OLD])
        table.foreign.clear()


def wrong_table(
    resources: RunResources, kind: JobKind, jobs: Sequence[Mapping[str, Any]], *, done: bool, ended: bool
) -> list[str]:
    """Return what is wrong. ``done``: all jobs have succeeded. ``ended``: no job, nor the reconciler, has work left."""
    table = resources.table
    found = table.load()
    if found is None:
        return ["succeeded, but there is no table"] if done else []
    wrong = _wrong_rows(table, kind, done=done) + _wrong_history(found) + _wrong_records(found, jobs)
    if ended and not table.is_in_table_bucket:
        wrong += _orphans(resources, found)
    return wrong


def _wrong_rows(table: RunTable, kind: JobKind, *, done: bool) -> list[str]:
    found, own, foreign = Counter(table.rows()), Counter(kind.rows), Counter(table.foreign)
    if kind.mode == "replace":
        # Rows of another writer are replaced, or stay if they came after the first try.
        if not done and found == Counter([OLD]) + foreign:
            return []
        strange, missing = found - own - foreign, own - found
    else:
        strange, missing = found - own - foreign, foreign + (own if done else Counter()) - found
    wrong = [f"{strange.total():,} rows twice, or in no file: {list(strange)[:3]}"] if strange else []
    return wrong + ([f"{missing.total():,} rows are missing: {list(missing)[:3]}"] if missing else [])


def _wrong_history(table: Table) -> list[str]:
    """Each commit has one snapshot, and all snapshots are ancestors of the current one."""
    commits = Counter(commits_of(table).values())
    wrong = [f"commit {commit} has {times} snapshots" for commit, times in commits.items() if times > 1]
    parents = {one.snapshot_id: one.parent_snapshot_id for one in table.snapshots()}
    current, line = table.metadata.current_snapshot_id, []
    while current is not None and current in parents:
        line.append(current)
        current = parents[current]
    if set(line) != set(parents):
        wrong.append(f"{len(parents) - len(line)} snapshots are not in the history of the table")
    return wrong


def _wrong_records(table: Table, jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A job that has succeeded names the snapshot of its commit; one that has failed names none that is in."""
    commits = commits_of(table)
    wrong = []
    for job in jobs:
        name, snapshot = job["pk"], job.get("commit_snapshot")
        if job["state"] == "succeeded" and snapshot is not None and commits.get(int(snapshot)) != job["commit_id"]:
            wrong.append(f"{name} names snapshot {snapshot}, which is not that of its commit {job['commit_id']}")
        if job["state"] == "succeeded" and snapshot is None and int(job.get("rows", 0)):
            wrong.append(f"{name} has succeeded, but names no snapshot")
        if job["state"] == "failed" and job.get("commit_id") in commits.values():
            wrong.append(f"{name} has failed, but its commit {job['commit_id']} is in")
    own = {job.get("commit_id") for job in jobs}
    wrong += [f"commit {commit} is of no job" for commit in set(commits.values()) - own]
    return wrong


def _orphans(resources: RunResources, table: Table) -> list[str]:
    """Data files that no snapshot has. Manifests of a try without an answer may stay."""
    there, named = resources.data_files(), referenced_files(table)
    orphans, lost = there - named, named - there
    wrong = [f"{len(orphans)} data files belong to no snapshot: {sorted(orphans)[:2]}"] if orphans else []
    return wrong + ([f"{len(lost)} data files of snapshots were deleted: {sorted(lost)[:2]}"] if lost else [])
