"""Field names that no table can have (JSON allows any text as a name), and the name that is probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice

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


# Names of a header that are compared, and characters of each: difflib takes quadratic time.
COMPARED, COMPARED_LENGTH = 1000, 100


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The words for a message that suggest a name that differs by case, blanks or a letter; empty if none does."""
    candidates = [each for each in islice(names, COMPARED) if len(each) <= COMPARED_LENGTH]
    alike = [each for each in candidates if _folded(each) == _folded(name)]
    if not alike and len(name) <= COMPARED_LENGTH:
        alike = get_close_matches(name, candidates, 1, cutoff=0.8)
    return f"; did you mean {alike[0]!r}?" if alike else ""


def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


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
