"""A scan needs no more memory for a large source than for a small one."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from fixtures.encoded import gzip_header
from penstock.limits import MIB

SIZE = 200_000_000

# Scans, in a process that may grow by so many bytes and no further, and enters at the last place.
SCRIPT = """
import resource, sys
from pathlib import Path
from importlib import import_module
from penstock.codecs import Trace

path, growth, module = sys.argv[1], int(sys.argv[2]), import_module(sys.argv[3])
enter, scan = module.enter, module.scan
encoded = Path(path).read_bytes()
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + growth
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

def chunks(start):
    return (encoded[at : at + 65_536] for at in range(start, len(encoded), 65_536))

noted = [0, None]
def note(checkpoint):
    noted[:] = noted[0] + 1, checkpoint

trace = Trace()
longest = max(len(piece) for piece in scan(chunks(0), trace, 262_144, spacing=1_000_000, note=note))
last = noted[1]
rest = sum(map(len, enter(chunks(last.entry.encoded), last.entry, last.window, 262_144)))
print(trace.produced, noted[0], longest, last.entry.decoded + rest)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits the address space")
@pytest.mark.parametrize("module", ["index", "raw_index"])
def test_a_bomb_is_scanned_and_entered_in_bounded_memory(module: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    writer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    block, crc, body = bytes(MIB), 0, list[bytes]()
    for at in range(0, SIZE, MIB):
        piece = block[: SIZE - at]
        crc = zlib.crc32(piece, crc)
        body += [writer.compress(piece), writer.flush(zlib.Z_BLOCK)]
    body.append(writer.flush())
    if module == "index":
        body = [gzip_header(), *body, crc.to_bytes(4, "little"), SIZE.to_bytes(4, "little")]
    path.write_bytes(b"".join(body))
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(4 * MIB), f"penstock.codecs.gzip.{module}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    produced, entries, longest, last = map(int, run.stdout.split())
    assert produced == last == SIZE
    assert entries > 90
    assert longest == 262_144
