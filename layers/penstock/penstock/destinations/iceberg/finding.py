"""Looks for a commit in the history of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.metadata import current_snapshot
from penstock.destinations.iceberg.names import TableName
from penstock.errors import CommitInDoubtError

# In the summary of the snapshot that a commit has made.
COMMIT_ID = "penstock.commit-id"
# Of a replacement: its series, and its place there.
SERIES, ORDER = "penstock.replace-series", "penstock.replace-order"

_EXPIRED = (
    "Look into the history of the table whether the rows are there. If they are not, redrive the job. Keep snapshots "
    "for longer than jobs take to commit."
)


class CatalogCommitFinder:
    """Implements ``CommitFinder``. Memory: the metadata of the table as JSON, about five times its size."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def find(self, table: str, commit_id: str, base: int | None) -> int | None:
        name = TableName.parse(table)
        loaded = self._catalog.load(name, history=True)
        if loaded is None:
            raise dropped(name, commit_id)
        return find_commit(table, loaded.document, commit_id, base)


def dropped(name: TableName, commit_id: str) -> CommitInDoubtError:
    """The error that a table whose commit is searched for is gone."""
    return CommitInDoubtError(
        f"{name}: nobody knows whether commit {commit_id} was in: the table does not exist any more",
        hint="If the table was created again, redrive the job.",
    )


def find_commit(name: str, document: Mapping[str, Any], commit_id: str, base: int | None) -> int | None:
    """Return the snapshot that carries the id of a commit; None proves that it is not in.

    Snapshots that are no longer ancestors of the current one count, too: the commit was in, and somebody rolled it
    back. ``base`` is a snapshot that was current before the commit, or None: the table had none. Raises
    CommitInDoubtError if a snapshot since then is missing, because it has expired.
    """
    snapshots: dict[int, Mapping[str, Any]] = {each["snapshot-id"]: each for each in document.get("snapshots") or ()}
    for snapshot_id, snapshot in snapshots.items():
        if (snapshot.get("summary") or {}).get(COMMIT_ID) == commit_id:
            return snapshot_id
    for ancestor in ancestors(document, snapshots):
        if ancestor == base:
            return None
        if ancestor is not None and ancestor not in snapshots:
            raise CommitInDoubtError(
                f"{name}: nobody knows whether commit {commit_id} is in: snapshot {ancestor} has expired before its "
                "history was read",
                hint=_EXPIRED,
            )
    if base is None:
        return None
    raise CommitInDoubtError(
        f"{name}: nobody knows whether commit {commit_id} is in: snapshot {base}, on which it was made, is not in the "
        "history any more",
        hint=_EXPIRED,
    )


def has_newer(document: Mapping[str, Any], series: str, order: str) -> bool:
    """Whether the current snapshot follows from a replacement of the series with a higher order.

    Snapshots that have expired are not seen. Those since an attempt began have not.
    """
    snapshots: dict[int, Mapping[str, Any]] = {each["snapshot-id"]: each for each in document.get("snapshots") or ()}
    found = (snapshots[one].get("summary") or {} for one in ancestors(document, snapshots) if one in snapshots)
    return any(summary.get(SERIES) == series and str(summary.get(ORDER, "")) > order for summary in found)


def ancestors(document: Mapping[str, Any], snapshots: Mapping[int, Mapping[str, Any]]) -> list[int | None]:
    """Return the current snapshot and its ancestors, from the newest. The last is None, for the time before the first,
    or a snapshot that is not there any more."""
    found: list[int | None] = []
    known: set[int] = set()
    current = current_snapshot(document)
    while current is not None and current not in known:
        found.append(current)
        known.add(current)
        if current not in snapshots:
            return found
        parent = snapshots[current].get("parent-snapshot-id")
        current = None if parent in (None, -1) else int(parent)
    return [*found, None]
