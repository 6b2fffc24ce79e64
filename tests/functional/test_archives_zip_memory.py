"""A directory is listed in a table of 32 bytes for each entry, however many there are, and in whatever order."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lengths import long
from penstock.archives.archive import MAX_MEMBERS
from penstock.limits import MIB

# An archive of COUNT empty members whose directory is made while it is read. STEP: the order of their headers.
SCRIPT = """
import struct, sys
from pathlib import Path
from penstock.archives.zip import entries, directory

COUNT, STEP = map(int, sys.argv[1:])
NAME = "member-%013d"
HEADER, RECORD = 30 + 20, 46 + 20
START = COUNT * HEADER
LENGTH = COUNT * RECORD
END = struct.pack("<4sQ2H2L4Q", b"PK\\6\\6", 44, 45, 45, 0, 0, COUNT, COUNT, LENGTH, START)
END += struct.pack("<4sLQL", b"PK\\6\\7", 0, START + LENGTH, 1)
END += struct.pack("<4s4H2LH", b"PK\\5\\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
PACK = struct.Struct("<4s2B5H3L5H2L").pack

def record(number):
    at = number * STEP % COUNT * HEADER
    fixed = PACK(b"PK\\1\\2", 20, 3, 20, 0, 0, 0, 0x5821, 0, 0, 0, 20, 0, 0, 0, 0, 0o100644 << 16, at)
    return fixed + (NAME % number).encode()

class Made:
    size = START + LENGTH + len(END)

    def read(self, start, end):
        first, last = (start - START) // RECORD, (end - START) // RECORD + 1
        made = b"".join(map(record, range(max(0, first), min(last, COUNT))))
        made += END if end > START + LENGTH else b""
        base = START + max(0, first) * RECORD
        yield bytes(max(0, base - start)) + made[max(0, start - base) : end - base]

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

WINDOW = directory.WINDOW
assert len(next(Made().read(START - 5, START + WINDOW))) == 5 + WINDOW
assert next(Made().read(Made.size - WINDOW, Made.size)).endswith(END)
before = peak()
count = sum(entry.number > 0 for entry in entries(Made()))
print(count, peak() - before)
"""

# Three windows, and what 65,536 values take as objects of Python while they are compared.
ROOM = 3 * 2 * MIB + 4 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("count", "step"), [(100_000, 1), (100_000, 7_919), long(MAX_MEMBERS, 1), long(MAX_MEMBERS, 7_919)]
)
@pytest.mark.long
def test_a_directory_is_listed_within_its_bound(count: int, step: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(count), str(step)], capture_output=True, text=True, timeout=280, check=False
    )
    assert run.returncode == 0, run.stderr
    listed, grown = map(int, run.stdout.split())
    assert listed == count
    assert grown <= 32 * count + ROOM
