"""Processes that commit to one Iceberg table are killed at random moments; others finish what they have begun."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from contract.iceberg_backends import sqlite_backend
from iceberg_lake import Lake

# Commits each file until all are in. What a job's record holds is a file here: written before the first request.
COMMIT = """
import json, os, sys
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from penstock.destinations.iceberg.catalogs import CatalogClients, CatalogSettings, open_catalog, storage_of
from penstock.destinations.iceberg.committer import IcebergCommitter
from penstock.destinations.iceberg.ports import Commit
from penstock.model.data_file import DataFile

folder, table, writer = Path(sys.argv[2]), sys.argv[3], sys.argv[4]
clients = CatalogClients(None, lambda: None, "", local=True)
storage = storage_of(clients)
settings = CatalogSettings(f"sqlite:///{folder}/catalog.db", f"{folder}/warehouse")
committer = IcebergCommitter(open_catalog(settings, clients, storage), storage)

def record(path, value):
    path.with_suffix(".tmp").write_text(json.dumps(value))
    os.replace(path.with_suffix(".tmp"), path)

for name in sorted(folder.glob(f"{writer}-*.json")):
    file = json.loads(name.read_text())
    base = name.with_suffix(".base")
    done = name.with_suffix(".done")
    if done.exists():
        continue
    known = json.loads(base.read_text()) if base.exists() else None
    commit = Commit(name.stem, table, [DataFile(*file)], base=known, is_retry=base.exists())
    record(done, committer.commit(commit, lambda value: record(base, value)).snapshot)
"""


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_every_file_is_in_once_whenever_its_committers_are_killed(tmp_path: Path, seed: int) -> None:
    lake, random = Lake(sqlite_backend(tmp_path)), Random(seed)
    writers, each = ("a", "b"), 10
    numbers = iter(range(len(writers) * each))
    for writer in writers:
        for number in range(each):
            file = lake.file(f"{writer}{number}", [next(numbers)])
            text = json.dumps([file.uri, file.size, file.rows])
            (tmp_path / f"{writer}-{number:02}.json").write_text(text)

    def start(writer: str) -> subprocess.Popen[bytes]:
        paths = json.dumps([path for path in sys.path if path])
        return subprocess.Popen([sys.executable, "-c", COMMIT, paths, str(tmp_path), lake.name, writer])

    for _ in range(10):
        running = [start(writer) for writer in writers]
        time.sleep(0.8 + random.random())
        for process in running:
            process.kill()
            process.wait()
        lake.append_foreign([1000])
    for writer in writers:
        assert start(writer).wait() == 0

    assert [row for row in lake.rows() if row < 1000] == list(range(len(writers) * each))
    ids = [each.summary["penstock.commit-id"] for each in lake.snapshots() if each.summary]
    committed = [one for one in ids if one]
    assert sorted(committed) == sorted(set(committed))
    assert len(committed) == len(writers) * each
