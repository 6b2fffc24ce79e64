"""`penstock run` in a real terminal: its progress bar, and Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from functional.terminal import CTRL_C, terminal
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

COMMAND = str(Path(sys.executable).with_name("penstock"))
ROW = b"%d,a name that is long enough to fill a line of the table\n"
SIZE = 8_000_000


class Slow(BaseHTTPRequestHandler):
    """Sends half of its file, and the rest when the test allows it."""

    may_end: Event
    body: bytes

    def do_GET(self) -> None:  # the base class looks for this name
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.send_header("ETag", '"v1"')
        self.end_headers()
        half = len(self.body) // 2
        self.wfile.write(self.body[:half])
        self.may_end.wait()
        self.wfile.write(self.body[half:])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The command closes the connection when it has read enough."""


@pytest.fixture
def web() -> Iterator[tuple[str, Event]]:
    rows = b"".join(ROW % number for number in range(SIZE // len(ROW)))
    may_end = Event()
    server = Server(("127.0.0.1", 0), type("Handler", (Slow,), {"may_end": may_end, "body": b"id,name\n" + rows}))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/orders-of-a-whole-year.csv", may_end
    may_end.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_wide_terminal_shows_amount_speed_and_time_left(web: tuple[str, Event], tmp_path: Path) -> None:
    url, may_end = web
    with terminal([COMMAND, "run", url, "--to", str(tmp_path / "out")], os.environ, columns=120) as running:
        running.wait_for(r"orders-of-a-whole-year\.csv .*[1-9]\d% \d\.\d MB of \d\.\d MB \d+\.\d MB/s 0:0\d")
        may_end.set()
        assert running.wait() == 0
    assert "\x1b[?25h" in running.raw  # the cursor is visible again
    assert (tmp_path / "out").stat().st_size > SIZE * 0.9
    assert all(len(line) <= 120 for line in running.lines if "%" in line)


def test_a_narrow_terminal_shows_what_fits_on_one_line(web: tuple[str, Event], tmp_path: Path) -> None:
    url, may_end = web
    with terminal([COMMAND, "run", url, "--to", str(tmp_path / "out")], os.environ, columns=30) as running:
        running.wait_for(r"\d+% 0:0\d")
        may_end.set()
        assert running.wait() == 0
    assert all(len(line) <= 30 for line in running.lines if "%" in line)


@pytest.mark.long
def test_the_bar_of_a_table_counts_rows(web: tuple[str, Event], database: Database) -> None:
    url, may_end = web
    command = [COMMAND, "run", url, "--to", "postgresql:orders", "--create", "--dsn", database.dsn]
    with terminal(command, os.environ, columns=140) as running:
        running.wait_for(r"[1-9][\d,]+ rows .*\d+%")
        may_end.set()
        assert running.wait() == 0


def test_ctrl_c_leaves_nothing_partial_and_says_so(web: tuple[str, Event], tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"before")
    with terminal([COMMAND, "run", web[0], "--to", str(tmp_path / "out")], os.environ, columns=140) as running:
        running.wait_for(r"[1-9]\d%")
        for _ in range(3):
            running.press(CTRL_C)
        assert running.wait() == 130
    assert running.text.count("Interrupted: nothing was written to") == 1
    assert "Traceback" not in running.text
    assert "\x1b[?25h" in running.raw
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"before")]


def test_ctrl_c_keeps_complete_chunks_and_says_how_to_resume(web: tuple[str, Event], database: Database) -> None:
    url, may_end = web
    command = [COMMAND, "run", url, "--to", "postgresql:orders", "--create", "--dsn", database.dsn]
    with terminal(command, os.environ, columns=200) as running:
        running.wait_for(r"[1-9][\d,]+ rows .*\d+%")
        running.press(CTRL_C)
        assert running.wait() == 130
    assert "to resume after them" in running.text
    assert "Traceback" not in running.text
    may_end.set()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "of them loaded before" in done.stdout
    assert database.execute("SELECT count(*), count(DISTINCT id) FROM orders") == [(SIZE // len(ROW), SIZE // len(ROW))]


def test_a_pipe_gets_the_answer_and_no_bar(web: tuple[str, Event], tmp_path: Path) -> None:
    url, may_end = web
    may_end.set()
    done = subprocess.run([COMMAND, "run", url, "--to", tmp_path / "out"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"run: {url} to {tmp_path / 'out'} (")
    assert done.stderr == ""
