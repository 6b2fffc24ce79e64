"""Field names that no table can have (JSON allows any text as a name)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from penstock.model.record import Batch, Reject
from penstock.tables.column_kinds import check_storable


def name_problem(name: str) -> str:
    """What is wrong with a field name; empty if it is valid."""
    if not name:
        return "a field has an empty name"
    try:
        check_storable(name)
    except ValueError as error:
        return f"the name of a field {error}"
    return ""


def without_impossible_names(batch: Batch) -> Batch:
    """The batch with records that have an impossible name moved to its rejects."""
    objects = [row if isinstance(row, Mapping) else {} for row in batch.rows] if not batch.names else []
    faults = name_problems(objects) if objects else {}
    if not faults:
        return batch
    rejects = [*batch.rejects, *(Reject(batch.position(position), reason) for position, reason in faults.items())]
    kept = [position for position in range(len(batch.rows)) if position not in faults]
    return replace(
        batch,
        rows=[batch.rows[position] for position in kept],
        position=lambda row: batch.position(kept[row]),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.position.row)),
    )


def _impossible_names(records: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """The impossible names in these records, and what is wrong with each."""
    names: Iterable[str] = set[str]().union(*records)
    return {name: why for name in names if (why := name_problem(name))}


def name_problems(records: Sequence[Mapping[str, object]]) -> dict[int, str]:
    """What is wrong with records that have an impossible name, by position."""
    impossible = _impossible_names(records)
    if not impossible:
        return {}
    return {
        position: min(impossible[name] for name in bad)
        for position, record in enumerate(records)
        if (bad := impossible.keys() & record.keys())
    }
