"""Records in, checked rows out: typed columns, by table, with every record accounted for. Pure, no I/O."""

from __future__ import annotations

from penstock.tables.allowance import Allowance
from penstock.tables.chunk_builder import ChunkBuilder, check_header, tables_of, with_tables
from penstock.tables.committed import (
    LOADED,
    Committed,
    dropped_warning,
    is_atomic,
    is_staged,
    needs_order,
    receipt_of_end,
    table_names,
    writes_by_key,
)
from penstock.tables.field_names import without_impossible_names
from penstock.tables.field_watch import check_paths, field_warnings
from penstock.tables.forms import FORMS, Form, RowForm
from penstock.tables.gc_deferral import gc_deferred
from penstock.tables.infer import complete, infer, new_columns, samples_of
from penstock.tables.metadata import check_values, with_metadata
from penstock.tables.needed_fields import needed_fields
from penstock.tables.protection import redacting, without_raw
from penstock.tables.row_converter import RowConverter
from penstock.tables.single_batch import single_batch
from penstock.tables.storage_fit import Storages, fit_to_storage
from penstock.tables.table_router import TableRouter
from penstock.tables.widening import wider_columns

__all__ = [
    "FORMS",
    "LOADED",
    "Allowance",
    "ChunkBuilder",
    "Committed",
    "Form",
    "RowConverter",
    "RowForm",
    "Storages",
    "TableRouter",
    "check_header",
    "check_paths",
    "check_values",
    "complete",
    "dropped_warning",
    "field_warnings",
    "fit_to_storage",
    "gc_deferred",
    "infer",
    "is_atomic",
    "is_staged",
    "needed_fields",
    "needs_order",
    "new_columns",
    "receipt_of_end",
    "redacting",
    "samples_of",
    "single_batch",
    "table_names",
    "tables_of",
    "wider_columns",
    "with_metadata",
    "with_tables",
    "without_impossible_names",
    "without_raw",
    "writes_by_key",
]
