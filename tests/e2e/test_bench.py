"""`make bench` in its short form: runs every workload with all installed peers and compares the results."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from benchmarks.workloads import WORKLOADS

from penstock_local.sources import checkout


@pytest.mark.long
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_runs_with_the_right_results(name: str) -> None:
    kept = checkout() / ".penstock" / "bench" / f"{name}.json"
    kept.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--short", name],
        cwd=checkout(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    readings = json.loads(kept.read_text())["readings"]
    assert readings
    assert not [reading for reading in readings if reading["error"]]
