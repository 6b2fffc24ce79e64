"""Units need no more memory in a large source than in a small one, whether they are decoded or passed over."""

from __future__ import annotations

import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.units import bgzf, xz_block, xz_stream, zstd
from penstock.limits import KIB, MIB

SIZE = 120 * MIB

# In a process that may grow by so many bytes and no further.
LIMIT = """
import resource, sys
from pathlib import Path

def limit(growth):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + growth
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""

# Scans, and enters at the last place.
SCAN = """
from penstock.codecs import Trace
from penstock.codecs.indexers import indexers_within

path, codec, content, growth = sys.argv[1:]
way = indexers_within(8 << 20)[codec]
encoded = Path(path).read_bytes()
limit(int(growth))

def chunks(start):
    return (encoded[at : at + 65_536] for at in range(start, len(encoded), 65_536))

last = [None]
trace = Trace()
options = {"spacing": 1_000_000, "note": last.append, "content": bool(content)}
pieces = way.scan(chunks(0), trace, 262_144, **options)
longest = max(map(len, pieces))
one = last[-1]
rest = sum(map(len, way.enter(chunks(one.entry.encoded), one.entry, one.window, 262_144)))
print(trace.produced, len(last) - 1, longest, one.entry.decoded + rest)
"""

# Lists the blocks of a stream of 400 GiB, which has a header, an index and a footer.
TAIL = """
from penstock.codecs.xz.index import HEADER_SIZE, number
from penstock.codecs.xz.tail import tail
import struct, zlib

BLOCKS, ENCODED, DECODED = 400_000, 1 << 20, 1 << 24
record = number(ENCODED) + number(DECODED)
head = b"\\0" + number(BLOCKS)
length = len(head) + BLOCKS * len(record)
padding = bytes(-length % 4)
crc = zlib.crc32(head)
for _ in range(BLOCKS):
    crc = zlib.crc32(record, crc)
index = length + len(padding) + 4
check = struct.pack("<I", zlib.crc32(padding, crc))
flags = b"\\0\\1"
header = b"\\xfd7zXZ\\0" + flags + struct.pack("<I", zlib.crc32(flags))
sizes = struct.pack("<I", index // 4 - 1) + flags
footer = struct.pack("<I", zlib.crc32(sizes)) + sizes + b"YZ"
total = HEADER_SIZE + BLOCKS * ENCODED + index + len(footer)

class Ranges:
    size = total

    def read(self, start, end):
        if start == 0:
            yield header
        elif end == total:
            yield bytes(end - start - len(footer)) + footer
        else:
            yield head
            for _ in range(BLOCKS // 1000):
                yield record * 1000
            yield padding + check

limit(int(sys.argv[1]))
found = tail(Ranges(), DECODED)
print(len(found.entries), found.total)
"""


def ran(script: str, *arguments: object) -> list[int]:
    command = [sys.executable, "-c", LIMIT + script, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return list(map(int, run.stdout.split()))


SOURCES = {
    "zstd": lambda: zstd([bytes(2 * MIB)] * (SIZE // (2 * MIB))),
    "gzip": lambda: bgzf([bytes(60 * KIB)] * (SIZE // (60 * KIB))),
    "xz": lambda: xz_stream([xz_block(bytes(2 * MIB), lzma.CHECK_CRC32)] * (SIZE // (2 * MIB))),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits the address space")
@pytest.mark.parametrize(("codec", "content"), [("zstd", "content"), ("zstd", ""), ("gzip", ""), ("xz", "content")])
def test_a_source_of_units_is_scanned_and_entered_in_bounded_memory(tmp_path: Path, codec: str, content: str) -> None:
    path = tmp_path / "units"
    path.write_bytes(SOURCES[codec]())
    produced, entries, longest, last = ran(SCAN, path, codec, content, 8 * MIB)
    assert produced == last == SIZE
    assert entries > 50
    assert longest == (262_144 if codec == "xz" else 131_072 if content else 0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits the address space")
def test_the_tail_of_a_very_large_source_is_listed_in_bounded_memory() -> None:
    entries, total = ran(TAIL, 24 * MIB)
    assert total == 400_000 << 24
    assert 16_384 <= entries <= 32_769 + 1
