"""Checks a run whose objects came by events and by a backfill: the newest content wins, and append rows come once."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faults.outcome import BEFORE, LEDGER, LOADS, OLD
from faults.servers import RunResources
from faults.sources import JobKind, Row, in_blocks
from penstock.model.job_status import JobState
from penstock.model.object import Source

# How an older upload differs from the newest one, in files and in rows.
_CHANGES = ((b',"name', b',"elder'), (b"some text", b"elder text"))


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload. ``older``: other bytes follow it; ``repeated``: the same bytes were uploaded before it."""

    source: Source
    older: bool = False
    repeated: bool = False


def elder(data: bytes) -> bytes:
    """Return the content of an older upload, packed like the newest one."""
    packed = data.startswith(b"\x1f\x8b")
    content = gzip.decompress(data) if packed else data
    for new, old in _CHANGES:
        content = content.replace(new, old)
    return in_blocks(content) if packed else content


def elder_row(row: Row) -> Row:
    """Return the row of an older upload."""
    return row[0], row[1].replace("name", "elder")


def listed_problems(
    resources: RunResources,
    kind: JobKind,
    jobs: Sequence[Mapping[str, Any]],
    uploads: Sequence[Upload],
    *,
    ended: bool,
) -> list[str]:
    """Return what is wrong. ``ended``: every message was processed, and no job may have failed."""
    right = {"succeeded", "superseded"} if ended else {str(state) for state in JobState} - {"skipped"}
    wrong = [f"job {job['pk']} is {job['state']}: {job.get('failure')}" for job in jobs if job["state"] not in right]
    checked = _Checked(resources, kind, jobs, uploads, ended)
    if kind.store == "bucket":
        return wrong + checked.wrong_object()
    if kind.store == "dynamodb":
        return wrong + checked.wrong_items() + checked.wrong_counts()
    return wrong + checked.wrong_rows() + checked.wrong_counts() + checked.left_tables()


@dataclass(frozen=True, slots=True)
class _Checked:
    """A run that is checked."""

    resources: RunResources
    kind: JobKind
    jobs: Sequence[Mapping[str, Any]]
    uploads: Sequence[Upload]
    ended: bool

    def wrong_object(self) -> list[str]:
        """The newest content is there at the end; no older one was published after it, and none twice by one job."""
        s3, bucket = self.resources.servers.client("s3"), self.resources.results
        found = []
        for version in reversed(self.resources.versions(bucket)):
            answer = s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
            found.append(answer["Body"].read())
        newest = self.kind.content()
        ranks = {BEFORE: 0, elder(newest): 1, newest: 2}
        order = [ranks.get(data, -1) for data in found]
        wrong = []
        if -1 in order:
            wrong.append("bytes were published that no upload had")
        if order != sorted(order):
            wrong.append(f"an older content was published after a newer one: {order}")
        if len(found) - 1 > len(self.jobs):
            wrong.append(f"{len(found) - 1} results of {len(self.jobs)} jobs")
        if self.ended and order[-1] != ranks[newest]:
            wrong.append(f"the newest content is not at the destination: {order}")
        return wrong

    def wrong_rows(self) -> list[str]:
        found: list[Row] = sorted(self.resources.execute("SELECT id, name FROM people"))
        newest = list(self.kind.rows)
        if self.kind.mode == "append":
            return self._wrong_appended(Counter(found))
        if self.kind.mode == "upsert":
            return self._wrong_upserted(found, [OLD])
        tables = [newest] if self.ended else [[OLD], newest, [elder_row(row) for row in newest]]
        return [] if found in tables else [f"{len(found):,} rows, which are of no upload or not of the newest"]

    def wrong_items(self) -> list[str]:
        items = self.resources.items(self.resources.records)
        return self._wrong_upserted(sorted((int(item["id"]["S"]), item["name"]["S"]) for item in items), [])

    def _wrong_upserted(self, found: list[Row], before: list[Row]) -> list[str]:
        newest = [*before, *self.kind.rows]
        if self.ended:
            old = len(set(found) - set(newest))
            return [] if found == newest else [f"{old:,} of {len(found):,} rows are not of the newest upload"]
        # While the last row of a key is not loaded, an earlier one of the file may be there.
        known = {key for key, _ in newest}
        return [] if {key for key, _ in found} <= known else ["rows that no upload has"]

    def _wrong_appended(self, found: Counter[Row]) -> list[str]:
        """Rows of the newest uploads are there once, those of older ones once or not at all.

        Two uploads of the same bytes may count as one, and a newer one may supersede an older one before its load.
        """
        most, least = Counter([OLD]), Counter([OLD])
        for key in {upload.source.key for upload in self.uploads}:
            own = [upload for upload in self.uploads if upload.source.key == key]
            rows = self._rows_of(key)
            for upload in own:
                most.update([elder_row(row) for row in rows] if upload.older else rows)
            if self.ended:
                least.update(rows)
                if any(upload.older and self._is_loaded(upload.source) for upload in own):
                    least.update(elder_row(row) for row in rows)
        twice, missing = found - most, least - found
        wrong = [f"{twice.total():,} rows too often, or of no upload"] if twice else []
        return [*wrong, f"{missing.total():,} rows are missing"] if missing else wrong

    def _rows_of(self, key: str) -> Collection[Row]:
        if len(self.kind.files()) == 1:
            return self.kind.rows
        data = self.kind.files()[key.rpartition("/")[2]]
        return [row for row in self.kind.rows if f'\n{row[0]},"'.encode() in data]

    def _is_loaded(self, source: Source) -> bool:
        """Whether a job on record has delivered an upload."""
        for job in self.jobs:
            same = job.get("version_id") == source.version_id if source.version_id else job.get("etag") == source.etag
            if job["source"] == source.uri and same and job["state"] == "succeeded":
                return True
        return False

    def wrong_counts(self) -> list[str]:
        """Compare the rows and rejects on record. An upload has as many as a newer one of its file."""
        if not self.ended or len(self.kind.files()) > 1:
            return []
        expected = self.kind.records, len(self.kind.rejects)
        counts = [(int(job["rows"]), int(job["rejects"])) for job in self.jobs if job["state"] == "succeeded"]
        return [f"rows and rejects on record: {one}, not {expected}" for one in counts if one != expected]

    def left_tables(self) -> list[str]:
        left = self.resources.tables() - {"people", LEDGER, LOADS}
        if left and all(job["state"] in ("succeeded", "superseded", "failed") for job in self.jobs):
            return [f"tables were left: {sorted(left)}"]
        return []
