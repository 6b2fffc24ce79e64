"""A function that is killed repeatedly while it loads many small files together: every row is loaded exactly once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import postgres_group_loader
from lengths import long
from penstock.model.table import Mode
from postgres_database import Database
from postgres_group_loader import FILES, ROWS, expected, is_alone

pytest_plugins = ["postgres_fixtures"]

KILLS = 6


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", [Mode.APPEND, long(Mode.UPSERT)])
@pytest.mark.long
def test_a_group_that_is_killed_repeatedly_loads_every_row_once(database: Database, mode: Mode) -> None:
    database.execute("CREATE TABLE songs (id bigint, title text, n bigint)")
    if mode is Mode.UPSERT:
        database.execute("ALTER TABLE songs ADD PRIMARY KEY (id)")
    moments = random.Random(mode)
    kills, code = 0, None
    while code != 0:
        with start(database, mode) as loader:
            assert loader.stdout
            assert loader.stdout.readline() == "begun\n"
            if kills < KILLS:
                time.sleep(moments.uniform(0, 0.2))
                loader.send_signal(signal.SIGKILL)
            said = loader.stdout.read()
        code = loader.returncode
        assert code in {0, -signal.SIGKILL}, said
        kills += code != 0
    alone = sum(map(is_alone, range(FILES)))
    assert said == f"done {FILES} {FILES * ROWS} {alone}\n"
    assert database.execute("SELECT id, title, n FROM songs ORDER BY id") == expected(mode)
    assert kills > 0


def start(database: Database, mode: Mode) -> subprocess.Popen[str]:
    script = Path(postgres_group_loader.__file__)
    arguments = [sys.executable, str(script), database.dsn, str(mode)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=script.parent)
