"""CSV with comments and a footer as table jobs: the same rows in one pass and in spans, and a count that is checked."""

from __future__ import annotations

import pytest

from lengths import long
from machine_sources import in_blocks
from penstock.limits import MIB
from penstock.model.job_status import JobState
from postgres_database import Database
from table_machine import route, table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROWS = 2400
PARSE = """
    quoting = "none"
    comment = "#"
    escape = "\\\\"
    extra = "ignore"
    footer = '^# (?P<rows>\\d+) rows'
"""


def sent(declared: int) -> bytes:
    """A file with quotes that are text, commented rows, and a footer of several lines."""
    lines = ["# sent by x", "id,name,born"]
    for number in range(ROWS):
        lines.append(f'{number},5" \\, {number:20},2001-02-03' + (",more" if number % 7 == 0 else ""))
        if number % 11 == 0:
            lines += [f'#{number},"no,2001-02-03', ""]
    return "\n".join([*lines, f"# {declared} rows", 'end of "file', ""]).encode()


@pytest.mark.parametrize(
    ("key", "in_spans"), [("a.csv", True), ("a.csv.gz", True), ("a.csv", False)], ids=["plain", "gzip", "one pass"]
)
def test_comments_and_footer_are_no_rows_wherever_the_source_is_cut(
    database: Database, key: str, *, in_spans: bool
) -> None:
    data = in_blocks(sent(ROWS)) if key.endswith("gz") else sent(ROWS)
    plant = table_plant(database, route(parse=PARSE), span_bytes=(4 if in_spans else 4096) * 1024)
    status = plant.run(plant.upload(key, data))
    assert (status.state, status.progress.rows, status.progress.rejects) == (JobState.SUCCEEDED, ROWS, 0), status
    assert (status.spans > 4) == in_spans
    rows = database.execute("SELECT count(*), min(name), max(id) FROM people")
    assert list(rows) == [(ROWS, f'5" , {0:20}', ROWS - 1)]


@pytest.mark.parametrize("mode", ["atomic append", long("replace"), "append"])
def test_a_count_that_differs_fails_the_job_and_commits_nothing_of_what_is_staged(
    database: Database, mode: str
) -> None:
    plant = table_plant(database, route(mode=mode, parse=PARSE))
    plant.run(plant.upload("before.csv", b"id,name,born\n-1,old,2001-02-03\n# 1 rows\n"))
    status = plant.run(plant.upload("a.csv", sent(ROWS + 1)))
    assert status.state is JobState.FAILED
    assert status.failure
    assert "the footer declares 2,401 records, the file has 2,400" in status.failure.message
    ((kept,),) = database.execute("SELECT count(*) FROM people WHERE id >= 0")
    assert bool(kept) == (mode == "append")
    assert not kept or f"({kept:,} rows) are in people" in status.failure.message


def test_a_small_file_whose_count_differs_commits_nothing(database: Database) -> None:
    plant = table_plant(database, route(parse=PARSE), span_bytes=8 * MIB)
    plant.run(plant.upload("before.csv", b"id,name,born\n-1,old,2001-02-03\n# 1 rows\n"))
    status = plant.run(plant.upload("a.csv", b"id,name,born\n1,new,2001-02-03\n# 2 rows\n"))
    assert status.state is JobState.FAILED
    assert list(database.execute("SELECT count(*) FROM people")) == [(1,)]
