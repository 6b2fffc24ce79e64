"""Records in, checked rows out: typed columns, by table, with every record accounted for. Pure, no I/O."""

from __future__ import annotations

from penstock.tables.allowance import Allowance
from penstock.tables.chunk_builder import Rowmaker, tables_of
from penstock.tables.column_kinds import Form
from penstock.tables.committed import (
    LOADED,
    Committed,
    dropped_warning,
    is_atomic,
    is_staged,
    receipt_of_end,
    table_names,
)
from penstock.tables.field_names import without_impossible_names
from penstock.tables.field_watch import check_paths, field_warnings
from penstock.tables.gc_deferral import garbage_held_back
from penstock.tables.infer import complete, infer
from penstock.tables.row_converter import Shaper
from penstock.tables.single_batch import told_alone
from penstock.tables.storage_fit import Storages, fit
from penstock.tables.table_router import Chooser

__all__ = [
    "LOADED",
    "Allowance",
    "Chooser",
    "Committed",
    "Form",
    "Rowmaker",
    "Shaper",
    "Storages",
    "check_paths",
    "complete",
    "dropped_warning",
    "field_warnings",
    "fit",
    "garbage_held_back",
    "infer",
    "is_atomic",
    "is_staged",
    "receipt_of_end",
    "table_names",
    "tables_of",
    "told_alone",
    "without_impossible_names",
]
