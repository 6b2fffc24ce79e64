"""What committing to Iceberg tables imports: pyiceberg, but neither pyarrow nor what only its own catalogs need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lengths import long

ABSENT = ("pyarrow", "boto3", "requests", "sqlalchemy", "fsspec", "pyparsing", "tenacity", "rich", "click", "fastavro")

COMMIT = f"""
import sys, time
sys.modules.update(dict.fromkeys({ABSENT!r}))
sys.path[:0] = {{paths!r}}
from pathlib import Path
from penstock.destinations.iceberg.catalogs import CatalogClients, CatalogSettings, open_catalog, storage_of
from penstock.destinations.iceberg.table_editor import CatalogTableEditor
from penstock.destinations.iceberg.ports import Commit
from penstock.model.column import Column, ColumnType
from penstock.model.data_file import ColumnStatistics, DataFile
from penstock.model.table import Table

light = {{{{name.partition(".")[0] for name in sys.modules}}}} & {{{{"pyiceberg", "arro3", "pydantic"}}}}
assert not light, light
from penstock.destinations.iceberg.committer import IcebergCommitter

clients = CatalogClients(None, lambda: None, "", local=True)
storage = storage_of(clients)
catalog = open_catalog(CatalogSettings("sqlite:///{{folder}}/catalog.db", "{{folder}}/lake"), clients, storage)
columns = tuple(Column(f"c{{{{number}}}}", ColumnType.INTEGER) for number in range({{columns}}))
CatalogTableEditor(catalog).prepare(Table("sales.orders", columns, create=True))
statistics = tuple(
    ColumnStatistics(one, 100, 1000, 0, None, bytes(8), bytes(8)) for one in range(1, {{columns}} + 1)
)
files = [
    DataFile(f"{{folder}}/{{{{number}}}}.parquet", 1000, 1000, columns=statistics) for number in range({{files}})
]
for number in range({{commits}}):
    part = files[number :: {{commits}}]
    commit = Commit(f"c{{{{number}}}}", "sales.orders", part, written_at=time.time())  # so nobody looks for the files
    IcebergCommitter(catalog, storage).commit(commit, lambda base: None)
commit = Commit("r", "sales.orders", files[:1], replace=True, written_at=time.time())
IcebergCommitter(catalog, storage).commit(commit, lambda base: None)
with open("/proc/self/status") as status:
    print(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""


def peak_kib(folder: Path, *, files: int, commits: int, columns: int = 20) -> int:
    """Commit files of a table in a process of its own, replace them, and return its most memory."""
    paths = [each for each in sys.path if each]
    script = COMMIT.format(paths=paths, folder=folder, files=files, commits=commits, columns=columns)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(("files", "commits", "mib"), [(2, 2, 72), long(10_000, 1, 80), long(1000, 150, 80)])
def test_commits_import_no_pyarrow_and_fit_into_a_small_function(
    tmp_path: Path, files: int, commits: int, mib: int
) -> None:
    assert peak_kib(tmp_path, files=files, commits=commits) < mib * 1024
