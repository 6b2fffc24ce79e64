"""A compressed archive is indexed, listed and read in bounded memory, however large it is."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from penstock.limits import MIB

SMALL, LARGE = 3_000, 80 * MIB

# In a process that may grow by so many bytes and no further.
SCRIPT = """
import resource, sys
from dataclasses import dataclass
from pathlib import Path
from penstock.archives.archive import Skipped
from penstock.archives.tar import TAR
from penstock.delivery.member_store import MemberObjects
from penstock.large_jobs.decoded_ranges import DecodedArchives, archive_index
from penstock.large_jobs.index_pass import IndexPass
from penstock.limits import MIB, MIN_MEMORY, Budget
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.testing import ManualDeadline, MemoryWorkFiles

path, growth = Path(sys.argv[1]), int(sys.argv[2])
BUDGET = Budget.of(MIN_MEMORY)

@dataclass
class Part:
    start: int
    end: int

    def chunks(self):
        with path.open("rb") as file:
            file.seek(self.start)
            left = self.end - self.start
            while left > 0 and (piece := file.read(min(left, 65_536))):
                left -= len(piece)
                yield piece

class Store:
    def open_source(self, source, *, start=0, end=None):
        return Part(start, source.size if end is None else end)

source = Source("drops", "a.tar.gz", path.stat().st_size, "etag")
files, store = MemoryWorkFiles(), Store()
index = archive_index(files, source, "gzip", 4 * MIB)
objects, route = MemberObjects(store, BUDGET), Route("a", ("*",), "")
run = IndexPass(index, route, objects, BUDGET, ManualDeadline(900.0), 1.0, lambda _: None)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + growth
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

assert run.run()
ranges = DecodedArchives(store, files, BUDGET, 4 * MIB)(source, "gzip")
members = total = 0
for entry in TAR.entries(ranges):
    members += not isinstance(entry, Skipped)
    last = entry
for start in range(last.content.start, last.content.end, 20 * MIB):
    total += sum(map(len, ranges.read(start, min(start + 20 * MIB, last.content.end))))
print(members, total, index.state().entries)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits the address space")
def test_a_large_archive_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        for number in range(SMALL):
            entry = tarfile.TarInfo(f"small/{number}")
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"abcd"))
        entry = tarfile.TarInfo("large")
        entry.size = LARGE
        archive.addfile(entry, Zeros())
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(16 * MIB)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    members, total, entries = map(int, run.stdout.split())
    assert (members, total) == (SMALL + 1, LARGE)
    assert entries > 10


class Zeros(io.RawIOBase):
    """Zeros without an end."""

    def read(self, size: int = -1) -> bytes:
        return bytes(size)
