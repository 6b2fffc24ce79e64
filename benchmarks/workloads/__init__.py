"""The workloads of `make bench`, by name: each is run in a form and gives a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.frame.contender import Form
from benchmarks.frame.result import Result
from benchmarks.workloads import archive, documents, gunzip, items, sync, sync_first, tables, unzip, upload

WORKLOADS: Mapping[str, Callable[[Form], Result]] = {
    "gunzip": gunzip.measure,
    "unzip": unzip.measure,
    "append": tables.append,
    "insert": tables.insert,
    "upsert": tables.upsert,
    "documents": documents.measure,
    "items": items.measure,
    "archive": archive.measure,
    "upload": upload.measure,
    "sync-up": sync.up,
    "sync-down": sync.down,
    "sync-first": sync_first.measure,
}
