"""One Deflate member of a zip, beside zipfile and stream-unzip: python -m benchmarks.zip_members [--mib 256].

The member is CSV of random rows, in a local file. Each contender lists the archive, decodes the member and verifies its
CRC32, in a fresh process; contenders take turns, and a ratio compares runs of the same turn. Peers are in
requirements/bench.txt. Exits with 1 if the goal is missed: 1.8 times the bytes per CPU second of both.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.codec_speed import rows
from benchmarks.index import FileRanges, peak

from penstock.archives.zip import entries, locate, method
from penstock.codecs import Trace
from penstock.limits import KIB, MIB, MIN_MEMORY, MIN_WINDOW, Budget
from penstock.model.member import Member

RESULTS = Path(__file__).parent / "results" / "zip-members.md"
BUDGET = Budget.of(MIN_MEMORY)
GOAL = 1.8


@dataclass(frozen=True, slots=True)
class Run:
    """``wall`` and ``cpu``: seconds. ``grown``: bytes of memory above the interpreter with its modules."""

    decoded: int
    wall: float
    cpu: float
    grown: int


def ours(path: Path) -> Iterator[bytes]:
    """As a function of 128 MB reads and decodes."""
    reader = FileRanges(path)
    (member,) = (entry for entry in entries(reader) if isinstance(entry, Member))
    content = locate(reader, member).content
    if content is None:
        raise RuntimeError("the member lies nowhere")
    codec = method(content, MIN_WINDOW, b"")
    starts = range(content.start, content.end, BUDGET.read_chunk)
    chunks = (b"".join(reader.read(at, min(at + BUDGET.read_chunk, content.end))) for at in starts)
    return codec.decode(chunks, Trace(), BUDGET.step)


def with_zipfile(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive, archive.open(archive.infolist()[0]) as file:
        while piece := file.read(BUDGET.step):
            yield piece


def with_stream_unzip(path: Path) -> Iterator[bytes]:
    from stream_unzip import stream_unzip  # noqa: PLC0415  # its import counts for nobody else

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(64 * KIB):
                yield chunk

    for _, _, pieces in stream_unzip(chunks(), chunk_size=BUDGET.step):
        yield from pieces


CONTENDERS: dict[str, Callable[[Path], Iterator[bytes]]] = {
    "Penstock": ours,
    "zipfile": with_zipfile,
    "stream-unzip": with_stream_unzip,
}


def run(name: str, path: Path) -> Run:
    before, wall, cpu = peak(), time.perf_counter(), time.process_time()
    decoded = sum(map(len, CONTENDERS[name](path)))
    return Run(decoded, time.perf_counter() - wall, time.process_time() - cpu, peak() - before)


def turns(path: Path, repeat: int) -> Iterator[dict[str, Run]]:
    """Runs by contender, the next time in the opposite order."""
    names = list(CONTENDERS)
    for _ in range(repeat):
        found = {}
        for name in names:
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                found[name] = fresh.apply(run, (name, path))
        names.reverse()
        yield found


def ratio(found: list[dict[str, Run]], name: str) -> float:
    """How much more CPU a contender takes for the same bytes."""
    return statistics.median(turn[name].cpu / turn["Penstock"].cpu for turn in found)


def missed(found: list[dict[str, Run]]) -> list[str]:
    return [name for name in CONTENDERS if name != "Penstock" and ratio(found, name) < GOAL]


def report(found: list[dict[str, Run]], size: int) -> Iterator[str]:
    yield "| contender | decoded MB/s | MB per CPU second | CPU compared with Penstock | MiB above the interpreter |"
    yield "|---|---|---|---|---|"
    for name in CONTENDERS:
        if any(turn[name].decoded != size for turn in found):
            raise RuntimeError(f"{name} decoded something else")
        rate = size / statistics.median(turn[name].wall for turn in found) / 1e6
        cpu_rate = size / statistics.median(turn[name].cpu for turn in found) / 1e6
        grown = max(turn[name].grown for turn in found) / MIB
        yield f"| {name} | {rate:,.0f} | {cpu_rate:,.0f} | {ratio(found, name):.2f} | {grown:.1f} |"
    yield ""
    for name in CONTENDERS:
        if name != "Penstock":
            said = "**missed**" if name in missed(found) else "met"
            yield f"- {said}: {ratio(found, name):.2f} times the bytes per CPU second of {name} (at least {GOAL})"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.zip_members", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--mib", type=int, default=256, help="decoded MiB of the member (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each contender (default: %(default)s)")
    options = parser.parse_args(argv)
    data = rows(options.mib * MIB)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rows.csv", data)
        size, encoded = len(data), path.stat().st_size
        del data
        what = f"{size / 1e6:.0f} MB of CSV, deflated to {encoded / 1e6:.0f}; medians of {options.repeat} turns"
        machine = f"{platform.machine()}, Python {platform.python_version()}"
        found = list(turns(path, options.repeat))
        lines = [f"{what}; {machine}", "", *report(found, size)]
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n")
    return 1 if missed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
