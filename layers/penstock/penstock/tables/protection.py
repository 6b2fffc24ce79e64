"""Columns whose values are hashed or masked: the raw value appears nowhere else, neither in rejects nor in messages.

Where a plan has such a column, the raw text of a rejected record is left out, whatever is wrong with it: a record that
cannot be divided into fields holds the value anywhere. And no reason of a reject quotes a text of the record.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from penstock.errors import BadSourceError
from penstock.model.column import KEEP, Column
from penstock.model.record import Batch, RecordPosition, Reject
from penstock.model.table import TablePlan
from penstock.tables.conversions import Conversion

# What `repr` has written of a text, or JSON of a number.
_QUOTED = re.compile(
    r"""'(?:[^'\\]|\\.)*'(?:\.{3})?|"(?:[^"\\]|\\.)*"(?:\.{3})?|^\S+(?= is no JSON number)""", re.DOTALL
)
HIDDEN = "(hidden)"

Protect: TypeAlias = Callable[[str], str]


class ProtectConversion(Conversion):
    """Texts that are hashed or masked, once they are in the right ``case``."""

    def __init__(self, column: Column, case: Conversion | None) -> None:
        self.protect = _hashed if column.hash else _masking(column.mask)
        self.case = case

    def one(self, text: str) -> str:
        return self.protect(self.case.one(text) if self.case else text)

    def all(self, texts: Sequence[str]) -> Sequence[str] | None:
        return list(map(self.one, texts))


def _masking(mask: str) -> Protect:
    if not mask.startswith(KEEP):
        return lambda _: mask
    kept = int(mask.removeprefix(KEEP))
    return lambda text: "*" * (len(text) - kept) + text[-kept:] if len(text) > kept else "*" * len(text)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def without_raw(batch: Batch, plan: TablePlan) -> Batch:
    """The batch without the raw texts of its records, if the plan protects a column."""
    if not plan.protects:
        return batch
    return replace(batch, position=lambda row: _bare(batch.position(row)), rejects=redacted(batch.rejects, plan))


def redacted(rejects: tuple[Reject, ...], plan: TablePlan) -> tuple[Reject, ...]:
    """The rejects without any text of their records, if the plan protects a column."""
    if not rejects or not plan.protects:
        return rejects
    return tuple(
        replace(reject, position=_bare(reject.position), reason=without_quotes(reject.reason)) for reject in rejects
    )


def without_quotes(message: str) -> str:
    """A message without the texts that it quotes."""
    return _QUOTED.sub(HIDDEN, message)


@contextmanager
def redacting(plan: TablePlan) -> Iterator[None]:
    """Take what errors of the source quote out of them, if the plan protects a column: a file without a header has a
    record in its place."""
    try:
        yield
    except BadSourceError as error:
        if not plan.protects:
            raise
        error.message = without_quotes(error.message)
        error.args = (error.message,)
        raise error from None


def _bare(position: RecordPosition) -> RecordPosition:
    return replace(position, raw="")
