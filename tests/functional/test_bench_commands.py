"""How `make bench` runs a contender that is a command, and what it says of its end."""

from __future__ import annotations

import sys

import pytest
from benchmarks.frame import commands
from benchmarks.frame.reading import MIB, TIMED_OUT


@pytest.mark.parametrize(
    ("code", "error", "give_up"),
    [
        ("pass", "", 20.0),
        ("import sys; sys.exit('first\\nlast line')", "exit status 1: last line", 20.0),
        ("import time; time.sleep(60)", TIMED_OUT, 2.0),
    ],
)
def test_a_command_says_how_it_ended(code: str, error: str, give_up: float) -> None:
    done = commands.run("x", [sys.executable, "-c", code], 1769, 0, env={}, give_up=give_up)
    assert done.error == error
    assert done.peak > MIB


def test_a_command_that_takes_more_than_its_memory_fails() -> None:
    code = "x = bytearray(300_000_000)"
    done = commands.run("x", [sys.executable, "-c", code], 128, 0, env={}, give_up=20.0)
    assert done.error == "Runtime.OutOfMemory" or "MemoryError" in done.error
