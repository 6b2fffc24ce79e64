"""Records in, checked rows out: typed columns, by table, with every record accounted for. Pure, no I/O."""

from __future__ import annotations

from penstock.tables.choose import Chooser
from penstock.tables.fit import Storages, fit
from penstock.tables.garbage import garbage_held_back
from penstock.tables.infer import complete, infer
from penstock.tables.kinds import Form
from penstock.tables.plan import Rowmaker, tables_of
from penstock.tables.shape import Shaper

__all__ = [
    "Chooser",
    "Form",
    "Rowmaker",
    "Shaper",
    "Storages",
    "complete",
    "fit",
    "garbage_held_back",
    "infer",
    "tables_of",
]
