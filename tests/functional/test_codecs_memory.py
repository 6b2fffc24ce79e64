"""A bomb decodes in the memory of a firecracker."""

from __future__ import annotations

import bz2
import lzma
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.encoded import gzip_header, zstd_frame
from lengths import IS_LONG
from penstock.limits import MIB, MIN_WINDOW

SIZE = 200_000_000 if IS_LONG else 50_000_000

# Counts what a decoder yields, in a process that may grow by so many bytes and no further.
SCRIPT = """
import resource, sys
from functools import partial
from pathlib import Path
from penstock.codecs import CODECS, Trace, gzip
from penstock.codecs.engine import ZLIB

path, name, growth = sys.argv[1], sys.argv[2], int(sys.argv[3])
decode = partial(gzip.decode, engine=ZLIB) if name == "gzip-zlib" else CODECS[name].decode
encoded = Path(path).read_bytes()
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + growth
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
lengths = [0, 0]
for piece in decode([encoded], Trace(), 262_144):
    lengths = [lengths[0] + len(piece), max(lengths[1], len(piece))]
print(*lengths)
"""


def gzip_zeros(size: int) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    block, crc, body = bytes(MIB), 0, []
    for at in range(0, size, MIB):
        piece = block[: size - at]
        crc = zlib.crc32(piece, crc)
        body.append(compressor.compress(piece))
    return gzip_header() + b"".join(body) + compressor.flush() + crc.to_bytes(4, "little") + size.to_bytes(4, "little")


BOMBS: dict[str, Callable[[int], bytes]] = {
    "gzip": gzip_zeros,
    "gzip-zlib": gzip_zeros,
    "bzip2": lambda size: bz2.compress(bytes(size)),
    "xz": lambda size: lzma.compress(bytes(size), preset=6),
    "zstd": lambda size: zstd_frame(bytes(size)),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits the address space")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_decodes_in_bounded_steps_and_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[name](SIZE))
    # Steps, slices and tables; then what the format itself asks for: a window, or a block of bzip2.
    growth = 4 * MIB + {"xz": MIN_WINDOW, "zstd": MIN_WINDOW, "bzip2": 4 * MIB}.get(name, 0)
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), name, str(growth)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    total, longest = map(int, run.stdout.split())
    assert total == SIZE
    assert longest <= 262_144
