"""A loader that is killed repeatedly: every row is loaded, every reject is kept, and the counts are right."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contract.dynamodb_loader import CHUNK, IDS, ROWS
from contract.dynamodb_tables import DynamoServer
from contract.object_backends import Endpoint

KILLS = 8


@pytest.mark.long
def test_a_loader_that_is_killed_repeatedly_loads_every_row(emulator: Endpoint, tmp_path: Path) -> None:
    server = DynamoServer(emulator.url)
    table = server.create(index=("owner", "S"))
    moments = random.Random(11)
    kills = 0
    said = ""
    while not said.startswith("done"):
        with start(server, table.name, tmp_path) as loader:
            assert loader.stdout
            assert loader.stdout.readline() == "begun\n"
            if kills < KILLS:
                # In the middle of a chunk, usually of one after the bookmark.
                for _ in range(moments.randint(0, 3)):
                    loader.stdout.readline()
                time.sleep(moments.uniform(0, 0.05))
                loader.send_signal(signal.SIGKILL)
            lines = loader.stdout.readlines()
        assert loader.returncode in {0, -signal.SIGKILL}
        kills += loader.returncode != 0
        said = lines[-1] if lines else ""
    bad = [number for number in range(ROWS) if number % 100 in {51, 97}]
    assert said == f"done {ROWS - len(bad)} {len(bad)}\n"
    assert kills > 0
    kept = [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(-(-ROWS // CHUNK))]
    assert [number for chunk in kept for number in chunk] == bad
    good = [number for number in range(IDS, ROWS) if number not in set(bad)]
    assert [(item["id"], item["n"]) for item in server.items(table)] == [(f"{n % IDS:05}", n) for n in good]


def start(server: DynamoServer, table: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "contract.dynamodb_loader", server.url, table, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
