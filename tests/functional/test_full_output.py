"""Commands whose standard output cannot be written: one line of error, and exit code 1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
START = "from penstock_cli.main import main; main()"


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    "arguments",
    [("run", "file", "--to", "-"), ("routes", "check"), ("routes", "check", "--json"), ("run", "file", "--to", "to")],
)
def test_an_output_on_a_full_disk_is_an_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a,b\n1,2\n")
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", START, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Error: standard output cannot be written: No space left on device\nThe output is incomplete."
    )


def test_a_closed_output_takes_no_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a,b\n1,2\n")
    command = [sys.executable, "-c", START, "run", "file", "--to", "-"]
    done = subprocess.run(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False, preexec_fn=lambda: os.close(1)
    )
    assert (done.returncode, "which is closed" in done.stderr) == (2, True)
