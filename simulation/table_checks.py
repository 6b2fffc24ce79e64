"""The model of loads into tables: which rows there must be, once each, as they were written."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from pyarrow.parquet import read_table

from penstock.model.job_status import JobState, JobStatus
from simulation.plan import LAKE
from simulation.rights import RECORDS, RESULTS

if TYPE_CHECKING:
    from simulation.history import History, Uploaded

Row = tuple[str, str, str]


def of_upload(history: History, one: Uploaded, status: JobStatus, name: str, *, redriven: bool) -> Iterator[str]:
    """Yield what is wrong with the rows of one upload, and with what is on record of them."""
    expected = Counter((id_, *row) for id_, row in one.content.rows.items())
    mark = f"{id_of(one)}-"
    found = Counter(row for row in _rows(history, one) if row[0].startswith(mark))
    if strange := found - expected:
        yield f"{name}: {sum(strange.values())} rows are there twice, or are not as written: {min(strange)}"
    if status.state is JobState.SUCCEEDED:
        if found != expected:
            yield f"{name} has succeeded, but {sum(found.values())} of {len(expected)} rows are there"
        counts = status.progress.rows, status.progress.rejects
        if counts != (len(expected), one.content.rejects):
            yield f"{name}: {counts} rows and rejects are on record, not {len(expected), one.content.rejects}"
    if status.state is JobState.FAILED and redriven and _is_readable(history, one):
        yield f"{name} has failed although it was redriven without faults: {status.failure}"


def id_of(one: Uploaded) -> str:
    """Return what the ids of the rows of an upload begin with."""
    return next(iter(one.content.rows)).partition("-")[0]


def strangers(history: History) -> Iterator[str]:
    """Yield rows that no upload has."""
    known = {id_of(one) for one in history.uploads if one.content.rows}
    for row in (*_items(history), *_records(history)):
        if row[0].partition("-")[0] not in known:
            yield f"no upload has row {row}"


def _rows(history: History, one: Uploaded) -> Iterator[Row]:
    yield from _items(history) if one.source.key.startswith("items/") else _records(history)


def _items(history: History) -> Iterator[Row]:
    for item in history.stack.dynamodb.tables[RECORDS].values():
        yield item["id"]["S"], item["name"]["S"], item["n"]["N"]


def _records(history: History) -> Iterator[Row]:
    for (bucket, key), versions in history.stack.s3.versions.items():
        if bucket == RESULTS and key.startswith(LAKE) and versions[-1].data is not None:
            yield from _rows_of(versions[-1].data)


@lru_cache(maxsize=64)
def _rows_of(data: bytes) -> list[Row]:
    return [(row["id"], row["name"], str(row["n"])) for row in read_table(io.BytesIO(data)).to_pylist()]


def _is_readable(history: History, one: Uploaded) -> bool:
    return (one.source.bucket, one.source.key) not in history.deleted
