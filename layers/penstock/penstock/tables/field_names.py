"""Names of fields that no table can have: JSON spells anything between two quotes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from penstock.model.record import Batch, Reject
from penstock.tables.column_kinds import check_storable


def why_impossible(name: str) -> str:
    """What is wrong with the name of a field; empty where it may be one."""
    if not name:
        return "a field has an empty name"
    try:
        check_storable(name)
    except ValueError as error:
        return f"the name of a field {error}"
    return ""


def without_impossible_names(batch: Batch) -> Batch:
    """The same, records with an impossible name among its rejects."""
    objects = [row if isinstance(row, Mapping) else {} for row in batch.rows] if not batch.names else []
    faults = faults_of(objects) if objects else {}
    if not faults:
        return batch
    rejects = [*batch.rejects, *(Reject(batch.place(position), reason) for position, reason in faults.items())]
    kept = [position for position in range(len(batch.rows)) if position not in faults]
    return replace(
        batch,
        rows=[batch.rows[position] for position in kept],
        place=lambda row: batch.place(kept[row]),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.place.row)),
    )


def impossible_names(records: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Why some of the names in these records are impossible."""
    names: Iterable[str] = set[str]().union(*records)
    return {name: why for name in names if (why := why_impossible(name))}


def faults_of(records: Sequence[Mapping[str, object]]) -> dict[int, str]:
    """Records with an impossible name, by position, and what is wrong with each."""
    impossible = impossible_names(records)
    if not impossible:
        return {}
    return {
        position: min(impossible[name] for name in bad)
        for position, record in enumerate(records)
        if (bad := impossible.keys() & record.keys())
    }
