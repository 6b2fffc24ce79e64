"""The index pass: decoded MB per second of CPU, beside decoding without one and decoding from an entry on.

    python -m benchmarks.index [--rows N] [--repeat K] [--spacing-mib M]

The `accidents` table (1,000,000 rows: 373 MB), compressed in several ways. Each run is a fresh process that reads the
file in chunks of 2 MiB and takes steps of 256 KiB, as a function of 128 MB does; contenders take turns and the best run
counts, as other work on the machine only ever adds. Index: bytes of the index file by decoded bytes, its bound for any
content being 0.2 % at 16 MiB. Memory: the largest resident set above that of the interpreter with everything imported.

Walk: the index pass where only sizes are wanted, over what is made of small members, frames or blocks. Of xz it reads
the end alone, with nothing to decode; what is decoded per second then is how much content it tells of.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import zstandard

from penstock.codecs import CODECS, Trace, choose
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.engine import ZLIB
from penstock.codecs.gzip.decode import decode
from penstock.codecs.gzip.index import enter, scan
from penstock.codecs.index_file import pack
from penstock.codecs.indexers import indexers_within
from penstock.limits import KIB, MIB, MIN_WINDOW
from penstock_local import samples

RESULTS = Path(__file__).parent / "results"
CHUNK, STEP = 2 * MIB, 256 * KIB
WAYS = indexers_within(MIN_WINDOW)
SAMPLES = Path(__file__).parents[1] / ".penstock" / "samples"


def chunks(path: Path, start: int = 0) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(CHUNK):
            yield chunk


@dataclass(frozen=True, slots=True)
class Run:
    """One reading of a file. ``peak`` is in bytes above what the process held before, 0 for unknown; ``share`` is the
    index's, by decoded bytes."""

    decoded: int
    cpu_seconds: float
    peak: int
    entries: int = 0
    share: float = 0.0


def entering(path: Path, spacing: int) -> Run:
    """From the first entry that lies inside a byte, where there is one. What the scan before it held hides its peak."""
    noted: list[Checkpoint] = []
    for _ in scan(chunks(path), Trace(), STEP, spacing=spacing, note=noted.append):
        pass
    at = next((one for one in noted if one.entry.bits), noted[1])
    started = time.process_time()
    decoded = sum(map(len, enter(chunks(path, at.entry.encoded), at.entry, at.window, STEP)))
    return Run(decoded, time.process_time() - started, peak=0)


def plain(path: Path, _: int) -> Run:
    before, started = peak(), time.process_time()
    decoded = sum(map(len, CODECS[codec(path)].decode(chunks(path), Trace(), STEP)))
    return Run(decoded, time.process_time() - started, peak() - before)


def codec(path: Path) -> str:
    return choose(next(chunks(path)), path.name).name


def walking(path: Path, spacing: int) -> Run:
    return passing(path, spacing, content=False)


def reading(path: Path, spacing: int) -> Run:
    return passing(path, spacing, content=True)


def passing(path: Path, spacing: int, *, content: bool) -> Run:
    way, trace, noted = WAYS[codec(path)], Trace(), list[Checkpoint]()
    before, started = peak(), time.process_time()
    if way.tail and not content:
        found = way.tail(FileRanges(path), spacing)
        noted, trace.produced = found.entries, found.total
    else:
        for _ in way.scan(chunks(path), trace, STEP, spacing=spacing, note=noted.append, content=content):
            pass
    index = pack([(checkpoint.entry, checkpoint.window) for checkpoint in noted])
    cpu = time.process_time() - started
    return Run(trace.produced, cpu, peak() - before, len(noted), len(index) / trace.produced)


@dataclass(frozen=True, slots=True)
class FileRanges:
    """Implements ``RangeReader``."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        with self.path.open("rb") as file:
            file.seek(start)
            yield file.read(end - start)


def plain_zlib(path: Path, _: int) -> Run:
    before, started = peak(), time.process_time()
    decoded = sum(map(len, decode(chunks(path), Trace(), STEP, engine=ZLIB)))
    return Run(decoded, time.process_time() - started, peak() - before)


UNITS: dict[str, Callable[[Path, int], Run]] = {"walk": walking, "index pass": reading, "decoding": plain}

READERS: dict[str, Callable[[Path, int], Run]] = {
    "index pass": reading,
    "decoding from an entry on": entering,
    "decoding": plain,
    "decoding, zlib for isal": plain_zlib,
}


def peak() -> int:
    """Not ru_maxrss: that of the parent is inherited."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * KIB for line in status if line.startswith("VmHWM:"))


def as_it_is(sample: Path, _: Path) -> Path:
    return sample


def rewritten(sample: Path, folder: Path, level: int, flush_every: int) -> Path:
    path = folder / f"{level}.csv.gz"
    writer = zlib.compressobj(level, zlib.DEFLATED, 31)
    with gzip.open(sample) as source, path.open("wb") as file:
        while chunk := source.read(flush_every or MIB):
            file.write(writer.compress(chunk) + (writer.flush(zlib.Z_SYNC_FLUSH) if flush_every else b""))
        file.write(writer.flush())
    return path


def in_units(sample: Path, folder: Path, name: str, size: int, unit: Callable[[bytes], bytes]) -> Path:
    path = folder / name
    with gzip.open(sample) as source, path.open("wb") as file:
        while chunk := source.read(size):
            file.write(unit(chunk))
    return path


def bgzf_member(chunk: bytes) -> bytes:
    """The size in front of the content, as a field of the header."""
    body = gzip.compress(chunk, 6, mtime=0)[10:]
    return bytes.fromhex("1f8b08040000000000ff0600424302 00") + struct.pack("<H", 18 + len(body) - 1) + body


def zstd_frame(chunk: bytes, *, sized: bool) -> bytes:
    return zstandard.ZstdCompressor(level=3, write_checksum=True, write_content_size=sized).compress(chunk)


def in_blocks(sample: Path, folder: Path) -> Path:
    path = folder / "blocks.csv.xz"
    command = ["xz", "-T2", "-1", "--block-size=8MiB", "-c"]
    with (
        gzip.open(sample) as source,
        path.open("wb") as file,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file) as xz,
    ):
        if xz.stdin is None:
            raise RuntimeError("xz has no input")
        shutil.copyfileobj(source, xz.stdin, MIB)
        xz.stdin.close()
    return path


WRITERS: dict[str, Callable[[Path, Path], Path]] = {
    "gzip -6": as_it_is,
    "gzip -1": lambda sample, folder: rewritten(sample, folder, 1, 0),
    "flushed every 128 KiB, as pigz does": lambda sample, folder: rewritten(sample, folder, 6, 128 * KIB),
    "members of 64 KiB": lambda sample, folder: in_units(sample, folder, "members.csv.gz", 65_280, gzip.compress),
    "stored": lambda sample, folder: rewritten(sample, folder, 0, 0),
}
WRITERS_OF_UNITS: dict[str, Callable[[Path, Path], Path]] = {
    "BGZF": lambda sample, folder: in_units(sample, folder, "bgzf.csv.gz", 65_280, bgzf_member),
    "zstd, frames of 8 MiB": lambda sample, folder: in_units(
        sample, folder, "frames.csv.zst", 8 * MIB, partial(zstd_frame, sized=True)
    ),
    "zstd, frames that do not say their size": lambda sample, folder: in_units(
        sample, folder, "unsized.csv.zst", 8 * MIB, partial(zstd_frame, sized=False)
    ),
    "xz -1, blocks of 8 MiB": in_blocks,
}


def run(reader: str, path: Path, spacing: int) -> Run:
    return (READERS | UNITS)[reader](path, spacing)


def best_of(repeat: int, path: Path, spacing: int, readers: Iterable[str]) -> dict[str, Run]:
    best: dict[str, Run] = {}
    for _ in range(repeat):
        for reader in readers:
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                done = fresh.apply(run, (reader, path, spacing))
            if reader not in best or done.cpu_seconds < best[reader].cpu_seconds:
                best[reader] = done
    return best


def measure(sample: Path, folder: Path, repeat: int, spacing: int) -> Iterator[str]:
    for name, write in (WRITERS | WRITERS_OF_UNITS).items():
        path = write(sample, folder)
        for reader, done in best_of(repeat, path, spacing, UNITS if name in WRITERS_OF_UNITS else READERS).items():
            index = f"{done.entries} | {100 * done.share:.3f} %" if done.entries else " | "
            rate = done.decoded / done.cpu_seconds / 1e6
            yield (
                f"| {name} | {path.stat().st_size / 1e6:.0f} | {reader} | {done.cpu_seconds:.3f} | {rate:,.0f} | "
                f"{index} | {f'{done.peak / MIB:.1f}' if done.peak else ''} |"
            )
        if path != sample:
            path.unlink()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each reader (default: %(default)s)")
    parser.add_argument("--spacing-mib", type=int, default=16, help="between entries, in MiB (default: %(default)s)")
    options = parser.parse_args(argv)
    machine = f"{platform.machine()}, Python {platform.python_version()}, zlib {zlib.ZLIB_RUNTIME_VERSION}"
    lines = [
        f"{options.rows:,} rows, entries {options.spacing_mib} MiB apart, best of {options.repeat}; {machine}",
        "",
        "| source | MB | reader | CPU s | decoded MB/s | entries | index | MiB above the interpreter |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    sample = samples.cached("accidents", options.rows, SAMPLES)
    with tempfile.TemporaryDirectory() as folder:
        for line in measure(sample, Path(folder), options.repeat, options.spacing_mib * MIB):
            print(line, flush=True)
            lines.append(line)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "index.md").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
