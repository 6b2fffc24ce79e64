"""The PostgreSQL server of tests and of the local stack: there at once, and gone without a trace."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from penstock_local import postgres
from penstock_local.errors import LocalStackError

SCRIPT = """
import os, signal, sys
from pathlib import Path
from penstock_local import postgres
data_dir = Path(sys.argv[1])
with postgres.running(data_dir) as dsn:
    print((data_dir / "server").resolve(), dsn, flush=True)
    signal.pause()
"""


def answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_server_is_found_again_until_it_is_stopped(tmp_path: Path) -> None:
    dsn = postgres.start(tmp_path)
    home = (tmp_path / "server").resolve()
    try:
        assert answers(dsn)
        assert postgres.dsn(tmp_path) == dsn
        with pytest.raises(LocalStackError, match="already runs"):
            postgres.start(tmp_path)
    finally:
        assert postgres.stop(tmp_path)
    assert not answers(dsn)
    assert postgres.dsn(tmp_path) is None
    assert not postgres.stop(tmp_path)
    assert not home.exists()


def test_it_listens_on_loopback_and_asks_for_the_password(tmp_path: Path) -> None:
    with postgres.running(tmp_path) as dsn:
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            psycopg.connect(dsn, password="wrong")


def test_each_start_begins_with_an_empty_database(tmp_path: Path) -> None:
    for _ in range(2):
        with postgres.running(tmp_path) as dsn, psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE once ()")


def test_settings_may_be_chosen(tmp_path: Path) -> None:
    with postgres.running(tmp_path, settings={"work_mem": "7MB"}) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="did not start"):
        postgres.start(tmp_path, settings={"no_such_setting": "1"})
    assert postgres.pid(tmp_path) is None
    postgres.stop(tmp_path)


@pytest.mark.timeout(60)
def test_a_server_ends_with_the_process_that_runs_it_however_that_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        home, dsn = parent.stdout.readline().split()
        assert answers(dsn)
        parent.kill()
    while postgres.pid(tmp_path) or Path(home).exists():
        time.sleep(0.05)
    assert not answers(dsn)
