"""The result of a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.model.job import Receipt
from penstock.model.parse_options import ParseOptions
from penstock.source_check.reject_summary import RejectSummary
from penstock.source_check.table_profile import TableProfile


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """What a load of a source would find. ``passed_limit`` is the limit of rejects that it exceeds; empty if it exceeds
    none. ``added`` are columns that it would add or widen, as ``table.column``. ``has_tables``: the real tables were
    looked at."""

    source: str
    target: str
    parse: ParseOptions
    receipt: Receipt
    tables: Sequence[TableProfile]
    rejects: RejectSummary
    passed_limit: str
    added: Sequence[str]
    has_tables: bool
    seconds: float
    warnings: Sequence[str]
