"""Starts workers, and finds out what became of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from fuzz.harness import WAIT_SECONDS, Finding, Summary

ROOT = Path(__file__).parents[2]

# Above what a worker has before its first example. The smallest function has some 60 MB left.
MEGABYTES = 256
# An example may use up its CPU seconds on a machine that others use too.
GRACE = 12 * WAIT_SECONDS
NUMBER_SIZE = 8


def fuzz(target: str, *, seed: int, first: int = 0, examples: int = 1 << 40, seconds: float = 1 << 30) -> Summary:
    """Examples of a target in a process of its own. One that dies or stays silent is a finding too."""
    with tempfile.NamedTemporaryFile() as note:
        note.write(bytes(NUMBER_SIZE))
        note.flush()
        asked = [str(one) for one in (target, seed, first, examples, seconds, MEGABYTES, note.name)]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "PYTHONHASHSEED": "0"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "fuzz.worker", *asked],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + GRACE if examples == 1 << 40 else 2 * GRACE,
            )
            trouble = f"exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            done, trouble = None, "no answer: a hang outside Python"
        if done is not None and done.returncode == 0:
            plain = json.loads(done.stdout)
            findings = [Finding(**one) for one in plain.pop("findings")]
            return Summary(**{**plain, "refused": Counter(plain["refused"]), "findings": findings})
        number = int.from_bytes(Path(note.name).read_bytes(), "little")
    trace = done.stderr[-6000:] if done else ""
    return Summary(target, findings=[Finding(number, f"the process died: {trouble}", "", trace)])
