"""The PostgreSQL server of tests and of the local stack: it starts quickly and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from penstock_local import postgres
from penstock_local.errors import LocalStackError
from penstock_local.postgres_programs import programs, reachable_temporary_directory
from postgres_wheel import install_closed, site_packages

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL has another user only where root starts it")

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


@pytest.mark.long
def test_each_start_begins_with_an_empty_database(tmp_path: Path) -> None:
    for _ in range(2):
        with postgres.running(tmp_path) as dsn, psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE once ()")


@pytest.mark.long
def test_settings_may_be_chosen(tmp_path: Path) -> None:
    with postgres.running(tmp_path, settings={"work_mem": "7MB"}) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)


@pytest.mark.long
def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="did not start"):
        postgres.start(tmp_path, settings={"no_such_setting": "1"})
    assert postgres.pid(tmp_path) is None
    postgres.stop(tmp_path)


@pytest.mark.long
@pytest.mark.timeout(60)
def test_a_server_ends_with_the_process_that_runs_it_however_that_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        home, dsn = parent.stdout.readline().rstrip().rsplit(" ", 1)
        assert answers(dsn)
        parent.kill()
    while postgres.pid(tmp_path) or Path(home).exists():
        time.sleep(0.05)
    assert not answers(dsn)


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel is in a folder of mode 0700 with a space and an umlaut in its name, installed under ``umask 077``."""
    closed = tmp_path / "root's own ü"
    install_closed(closed)
    monkeypatch.syspath_prepend(str(closed))
    return closed


@pytest.fixture
def copies() -> Iterator[Path]:
    with TemporaryDirectory(dir=reachable_temporary_directory()) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@as_root
def test_root_starts_it_from_a_folder_that_only_root_may_enter(closed: Path, tmp_path: Path) -> None:
    with postgres.running(tmp_path / "data") as dsn:
        assert answers(dsn)


@as_root
@pytest.mark.long
def test_a_copy_for_the_servers_user_is_made_once_readable_by_all_and_writable_by_root(
    closed: Path, copies: Path
) -> None:
    before = os.umask(0o077)
    try:
        install = programs(copies)
    finally:
        os.umask(before)
    made = install.stat().st_ino
    assert install.is_relative_to(copies)
    assert programs(copies) == install
    assert install.stat().st_ino == made
    assert {path.name for path in copies.iterdir()} == {"lock", install.parents[1].name}
    for path in install.parents[1].rglob("*"):
        assert path.stat().st_mode & 0o026 == 0o004


@as_root
@pytest.mark.long
def test_a_copy_that_was_left_half_made_is_made_again(closed: Path, copies: Path) -> None:
    install = programs(copies)
    (install / "bin" / "postgres").unlink()
    (copies / "making").mkdir()
    assert (programs(copies) / "bin" / "postgres").is_file()


@as_root
def test_no_program_runs_from_a_folder_that_others_may_write_to(closed: Path, copies: Path) -> None:
    copies.chmod(0o777)
    with pytest.raises(LocalStackError, match=r"nobody.*users other than root can write"):
        programs(copies)


@as_root
def test_what_the_servers_user_can_read_is_not_copied(copies: Path) -> None:
    if site_packages() not in programs(copies).parents:
        pytest.skip(f"{site_packages()} is closed to others")
    assert list(copies.iterdir()) == []


@as_root
def test_the_servers_files_lie_where_its_user_can_reach_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # of mode 0700, as pytest makes it
    with postgres.running(tmp_path / "data") as dsn:
        assert answers(dsn)
