"""The list in docs/types.md agrees with the texts that columns of existing PostgreSQL tables accept."""

from __future__ import annotations

import csv
import io

import pytest

from lengths import long
from postgres_database import Database
from table_loads import in_one_pass
from types_page import examples, table_below

pytest_plugins = ["postgres_fixtures"]

LISTED = [
    (kind.strip("`"), examples(good), examples(bad))
    for kind, good, bad in table_below("## Columns of existing PostgreSQL tables")
]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "beside"),
    [
        *[pytest.param(*listed, True, id=f"{listed[0]}, beside") for listed in LISTED],
        *[pytest.param(*listed, False, id=f"{listed[0]}, alone") for listed in LISTED[:3]],
        *[long(*listed, False, id=f"{listed[0]}, alone") for listed in LISTED[3:]],
    ],
)
def test_a_column_takes_what_is_listed_and_nothing_else(
    database: Database, kind: str, good: list[str], bad: list[str], beside: bool
) -> None:
    """``beside``: all texts are in one file, and the bad ones must not change the results of the good ones."""
    database.execute(f"CREATE TABLE t (id int, v {kind})")
    files = [[*good, *bad]] if beside else [[text] for text in [*good, *bad]]
    rejected = []
    for number, texts in enumerate(files):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("id", "v"), *enumerate(texts)])
        rejected += [
            texts[row - 1] for row in in_one_pass(database, f"{number}.csv", text.getvalue(), "nulls = []").rejected
        ]
    assert rejected == bad
    assert database.execute("SELECT count(*) FROM t") == [(len(good),)]
