"""`penstock run`, killed during an append and run again: every row is loaded once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lengths import IS_LONG, long
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

COMMAND = str(Path(sys.executable).with_name("penstock"))
ROWS = 120_000
KILLS = 4 if IS_LONG else 2
# The table of the test rejects some rows, the parser others.
REFUSED, REJECTED = 10_000, 1_009


def command(database: Database, file: Path) -> list[str]:
    return [
        *(COMMAND, "run", str(file), "--to", "postgresql:orders", "--dsn", database.dsn, "--memory", "128"),
        *("--max-rejects", "1%", "--json"),
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    with path.open("w") as stream:
        stream.write("id,n\n")
        stream.writelines(f"{n},{n}{',too many' if n % REJECTED == 5 else ''}\n" for n in range(ROWS))
    return path


def rows_in(database: Database) -> int:
    ((number,),) = database.execute("SELECT count(*) FROM orders")
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize("seed", [0, long(1)])
def test_every_row_is_loaded_once_and_every_reject_is_listed_once(file: Path, database: Database, seed: int) -> None:
    database.execute(f"CREATE TABLE orders (id bigint, n bigint, CHECK (id % {REFUSED} <> 3))")
    draw = random.Random(seed)
    kills = 0
    for _ in range(KILLS):
        before = rows_in(database)
        running = subprocess.Popen(command(database, file), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while rows_in(database) == before and running.poll() is None:
            time.sleep(0.005)
        time.sleep(draw.random() * 0.1)
        running.kill()
        out, _ = running.communicate()
        kills += not out
    done = subprocess.run(command(database, file), capture_output=True, text=True, check=True)
    reported = json.loads(done.stdout)
    assert kills
    assert 0 < reported["rows_before"] <= reported["rows"]
    good = [n for n in range(ROWS) if n % REFUSED != 3 and n % REJECTED != 5]
    assert database.execute("SELECT count(*), count(DISTINCT id), sum(n) FROM orders") == [
        (len(good), len(good), sum(good))
    ]
    listed = [json.loads(line)["row"] for line in Path(f"{file}.rejects.jsonl").read_text().splitlines()]
    assert sorted(listed) == sorted(n + 1 for n in range(ROWS) if n % REFUSED == 3 or n % REJECTED == 5)
    assert (reported["rows"], reported["rejects"]) == (len(good), ROWS - len(good))
