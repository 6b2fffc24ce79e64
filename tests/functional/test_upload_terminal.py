"""`penstock upload` in a real terminal: its progress bar, also a narrow one, Ctrl-C once and twice; and in a pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.transfer_peers import environment
from benchmarks.upload_kills import COMMAND, counted
from benchmarks.upload_server import upload_server

from functional.terminal import CTRL_C, Terminal, terminal
from penstock_cli.upload import PIPE_INTERRUPTED

MB = 1_000_000
SIZE = 32 * MB


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with upload_server("--rate", str(8 * MB)) as url:
        yield url


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "a-file-with-quite-a-long-name-to-show-in-a-narrow-terminal.csv"
    path.write_bytes(os.urandom(SIZE))
    return path


def command(file: Path, target: str = "s3://lake/in/") -> list[str]:
    return [COMMAND, "upload", str(file), target, "--threads", "2", "--part-size", "5MiB"]


def drawn(running: Terminal) -> list[str]:
    return [line for line in running.lines if "%" in line]


def test_a_wide_terminal_shows_amount_speed_and_time_left(endpoint: str, file: Path, tmp_path: Path) -> None:
    with terminal(command(file), environment(endpoint, tmp_path), columns=120) as running:
        running.wait_for(r"\d+% \d+\.\d MB of 32\.0 MB \d+\.\d MB/s 0:0\d")
        assert running.wait() == 0
    assert "\x1b[?25h" in running.raw  # the cursor is visible again
    assert "(32.0 MB, 7 parts)" in running.text
    assert all(len(line) <= 120 for line in drawn(running))


@pytest.mark.parametrize(("columns", "shown"), [(60, r"\d+% \d+\.\d MB/s 0:0\d"), (30, r"\d+% 0:0\d")])
@pytest.mark.long
def test_a_narrow_terminal_shows_what_fits_on_one_line(
    endpoint: str, file: Path, tmp_path: Path, columns: int, shown: str
) -> None:
    with terminal(command(file), environment(endpoint, tmp_path), columns=columns) as running:
        running.wait_for(shown)
        assert running.wait() == 0
    assert all(len(line) <= columns for line in drawn(running))


def test_ctrl_c_exits_with_130_and_says_how_to_resume(endpoint: str, file: Path, tmp_path: Path) -> None:
    target = "s3://lake/interrupted"
    before = counted(endpoint)["received"]
    with terminal(command(file, target), environment(endpoint, tmp_path), columns=100) as running:
        running.wait_for(r"[5-8]\d% ")  # more than two parts, so that one is complete
        running.press(CTRL_C)
        assert running.wait() == 130
    assert "Run the same command again to resume" in running.lines[-1]
    assert "Traceback" not in running.text
    assert "\x1b[?25h" in running.raw
    with terminal(command(file, target), environment(endpoint, tmp_path), columns=100) as running:
        assert running.wait() == 0
    assert "already uploaded" in running.text
    assert counted(endpoint)["received"] - before <= SIZE + 2 * 5 * 1024 * 1024


def test_ctrl_c_again_and_again_is_one_interrupt(endpoint: str, file: Path, tmp_path: Path) -> None:
    with terminal(command(file, "s3://lake/twice"), environment(endpoint, tmp_path), columns=100) as running:
        running.wait_for(r"\d+% ")
        for _ in range(5):
            running.press(CTRL_C)
        assert running.wait() == 130
    assert "Traceback" not in running.text
    assert running.text.count("Run the same command again") == 1


def test_a_polite_end_gives_the_cursor_back(endpoint: str, file: Path, tmp_path: Path) -> None:
    with terminal(command(file, "s3://lake/ended"), environment(endpoint, tmp_path), columns=100) as running:
        running.wait_for(r"\d+% ")
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait() == 128 + signal.SIGTERM
    assert "\x1b[?25h" in running.raw
    assert "Traceback" not in running.text


def test_ctrl_c_while_a_pipe_is_read_leaves_nothing_behind(endpoint: str, tmp_path: Path) -> None:
    env = environment(endpoint, tmp_path)
    before = counted(endpoint).get("upload_part", 0)
    sending = [COMMAND, "upload", "-", "s3://lake/piped", "--part-size", "5MiB"]
    with subprocess.Popen(sending, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(bytes(6 * 1024 * 1024))
        process.stdin.flush()
        while counted(endpoint).get("upload_part", 0) == before:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        reported = process.stderr.read().decode()
    assert reported.endswith(f"{PIPE_INTERRUPTED}\n")
    left = subprocess.run([COMMAND, "uploads", "s3://lake/piped"], env=env, capture_output=True, text=True, check=True)
    assert left.stdout == "No unfinished uploads.\n"


def test_a_pipe_gets_the_answer_and_no_bar(endpoint: str, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"small")
    done = subprocess.run(
        command(small), env=environment(endpoint, tmp_path), capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == f"upload: {small} to s3://lake/in/small (5 B)\n"
    assert done.stderr == ""


@pytest.mark.long
def test_quiet_shows_no_bar_in_a_terminal_either(endpoint: str, file: Path, tmp_path: Path) -> None:
    quiet = [*command(file, "s3://lake/quiet"), "--quiet"]
    with terminal(quiet, environment(endpoint, tmp_path), columns=100) as running:
        assert running.wait() == 0
    assert running.text == ""
