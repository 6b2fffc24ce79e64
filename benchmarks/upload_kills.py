"""An upload that is killed again and again: what that costs in bytes, and its memory by its settings.

    python -m benchmarks.upload_kills [SIZE_IN_MB [KILLS]]

The server is another process on this machine, which proves every byte that it takes. Writes results/upload-kills.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.transfer_peers import environment, penstock
from benchmarks.upload_server import upload_server

COMMAND = penstock()
RESULTS = Path(__file__).with_name("results") / "upload-kills.md"
MB = 1_000_000
MIB = 1024 * 1024
SEED = 300
THREADS, PART = 4, 5 * MIB
# Slow enough that a run of a second or two is killed half way, fast enough that it gets some parts through.
RATE = 8 * MB


@dataclass(frozen=True)
class Outcome:
    """``received`` is what the server has counted over all runs; ``in_flight`` the most that kills may have cost."""

    size: int
    kills: int
    runs: int
    received: int
    in_flight: int
    identical: bool
    left_over: int

    @property
    def excess(self) -> int:
        return self.received - self.size


def counted(endpoint: str) -> dict[str, int]:
    """What the server has counted: bytes received, and requests by operation."""
    with urllib.request.urlopen(endpoint) as answer:
        counts = json.load(answer)
    return {"received": counts["received"], **counts["operations"]}


def upload_through_kills(
    file: Path,
    endpoint: str,
    home: Path,
    *,
    kills: int,
    seed: int,
    threads: int,
    part_size: int,
    delays: tuple[float, float],
) -> Outcome:
    """Upload ``file``; kill the command at ``kills`` random moments, ``delays`` seconds after it was started.

    Where it is done before it is killed so often, the rest of the kills hit uploads of the same file to other keys.
    """
    dice = random.Random(seed)
    done = runs = key = struck = 0
    started = counted(endpoint)["received"]
    while struck < kills or not done or done < key:
        key = max(key, done + 1)
        command = [COMMAND, "upload", str(file), f"s3://bucket/{key}", "--quiet"]
        command += ["--threads", str(threads), "--part-size", str(part_size)]
        runs += 1
        with subprocess.Popen(command, env=environment(endpoint, home)) as process:
            if struck < kills:
                try:
                    process.wait(dice.uniform(*delays))
                except subprocess.TimeoutExpired:
                    process.kill()
                    struck += 1
            code = process.wait()
        assert code in (0, -9), f"exit code {code}"
        done += code == 0
    # A server may still be reading what a killed client has sent.
    time.sleep(0.2)
    counts = counted(endpoint)
    return Outcome(
        size=file.stat().st_size * done,
        kills=struck,
        runs=runs,
        received=counts["received"] - started,
        in_flight=struck * threads * part_size,
        identical=all(_same(file, f"{endpoint}/bucket/{number}") for number in range(1, done + 1)),
        left_over=len(list((home / "data/penstock/uploads").iterdir())),
    )


def _same(file: Path, url: str) -> bool:
    with urllib.request.urlopen(url) as answer, file.open("rb") as source:
        return hashlib.file_digest(answer, "sha256").digest() == hashlib.file_digest(source, "sha256").digest()


def peak(file: Path, endpoint: str, home: Path, *options: str) -> int:
    """Bytes of memory that the command needs at most."""
    command = [COMMAND, "upload", str(file), "s3://bucket/peak", "--quiet", *options]
    with subprocess.Popen(command, env=environment(endpoint, home)) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_maxrss * 1024


def memory_table(file: Path, endpoint: str, home: Path) -> str:
    small = home / "small"
    small.write_bytes(b"small")
    least, size = peak(small, endpoint, home) / MB, file.stat().st_size / MB
    lines = [
        f"A file of 5 bytes takes {least:.0f} MB: the interpreter and botocore. One of {size:.0f} MB:",
        "",
        "| threads | part | MB at the peak |",
        "|---|---|---|",
    ]
    for threads, part in ((1, 8), (4, 8), (10, 8), (4, 32)):
        most = peak(file, endpoint, home, "--threads", str(threads), "--part-size", f"{part}MiB")
        lines.append(f"| {threads} | {part} MiB | {most / MB:.0f} |")
    return "\n".join(lines)


def kills_table(outcome: Outcome, uploads: int) -> str:
    return "\n".join(
        (
            "| | |",
            "|---|---|",
            f"| kills -9 at random moments (seed {SEED}) | {outcome.kills} |",
            f"| uploads of this file that they hit, all completed | {uploads} |",
            f"| runs of the command | {outcome.runs} |",
            f"| objects identical | {'yes' if outcome.identical else 'NO'} |",
            f"| state files left over | {outcome.left_over} |",
            f"| bytes of the files | {outcome.size:,} |",
            f"| bytes that the server received over all runs | {outcome.received:,} |",
            f"| sent again | {outcome.excess:,} |",
            f"| at most in flight at the kills ({outcome.kills} x {THREADS} parts of 5 MiB) | {outcome.in_flight:,} |",
        )
    )


def main() -> None:
    size = int(sys.argv[1]) * MB if len(sys.argv) > 1 else 300 * MB
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    with TemporaryDirectory() as folder:
        home, file = Path(folder), Path(folder) / "file.bin"
        with file.open("wb") as made:
            # In pieces: a child's peak memory counts from what its parent had.
            for _ in range(size // MB):
                made.write(os.urandom(MB))
        with upload_server() as endpoint:
            memory = memory_table(file, endpoint, home)
        with upload_server("--rate", str(RATE)) as endpoint:
            outcome = upload_through_kills(
                file, endpoint, home, kills=kills, seed=SEED, threads=THREADS, part_size=PART, delays=(0.2, 2.5)
            )
    assert outcome.identical
    assert outcome.excess <= outcome.in_flight
    RESULTS.write_text(
        f"# An upload that is killed\n\n`python -m benchmarks.upload_kills`: a file of {size / MB:.0f} MB of random "
        f"bytes, to a server on this machine (Python {platform.python_version()}).\n\n"
        f"{kills_table(outcome, outcome.size // size)}\n\n## Memory\n\n{memory}\n"
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
