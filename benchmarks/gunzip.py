"""Gunzip to S3: Penstock's ingest function beside the usual way, in the real runtime client, at a function's size.

    python -m benchmarks.gunzip [--rows N] [--repeat K] [--server light|emulator]

Both contenders read the same file from, and write to, the same S3 server, which runs in a process of its own. Each
repetition of each is a fresh function process that is given two events, one cold and one warm; contenders take turns.
Every result is compared with the sample by SHA-256. Exits with 1 when one is wrong,
and, with all rows, when a target is missed; results/ keeps full runs only.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.gunzip_report import OURS, Run, Size, missed_targets, table, wrong
from benchmarks.s3_server import s3_server

from penstock_local import samples
from penstock_local.account import emulator_only
from penstock_local.runtime import Function
from penstock_local.runtime.caps import FULL_VCPU_MB, Kind
from penstock_local.runtime.surroundings import DESTINATION, Surroundings
from penstock_local.tools import checkout

MIB = 1024 * 1024
ROWS = 1_000_000  # what the targets are set for: a cold start weighs more on a smaller file
KEY = "accidents.csv.gz"
USUAL = Path(__file__).parent / "usual"
RESULTS = Path(__file__).parent / "results"


SIZES = (
    Size("128 MB, one vCPU", 128, 1.0),
    Size("128 MB, its own 0.072 vCPU", 128, 128 / FULL_VCPU_MB),
    Size("1769 MB, its own vCPU", 1769, 1.0),
    Size("no cap", 1769, None),
)


class Bench:
    """Two contenders, one sample, and what its decoded bytes must be."""

    def __init__(self, surroundings: Surroundings, sample: Path) -> None:
        self._surroundings = surroundings
        self._upload = surroundings.upload(KEY, sample.read_bytes())
        self._digest = _digest_of_decoded(sample)

    def runs(self, contender: str, size: Size) -> Iterator[Run]:
        """A cold and a warm event in one process; one only if it dies of the first."""
        with self._function(contender, size) as function:
            for start in ("cold", "warm"):
                invocation = function.invoke(self._upload.event())
                yield Run.of(contender, size, start, invocation, right=self._delivered())
                if not invocation.ok:
                    return

    def _function(self, contender: str, size: Size) -> Function:
        vcpus = math.inf if size.vcpus is None else size.vcpus
        caps: Kind = "none" if size.vcpus is None else "auto"
        if contender == OURS:
            return self._surroundings.ingest(memory=size.memory, vcpus=vcpus, caps=caps)
        env = self._surroundings.environment
        return Function("app.handler", USUAL, memory=size.memory, vcpus=vcpus, caps=caps, env=env)

    def _delivered(self) -> bool:
        """Whether the destination holds exactly the decoded bytes; then they are deleted."""
        s3, key = self._surroundings.s3, KEY.removesuffix(".gz")
        digest = hashlib.sha256()
        try:
            for block in s3.get_object(Bucket=DESTINATION, Key=key)["Body"].iter_chunks(MIB):
                digest.update(block)
        except s3.exceptions.ClientError:
            return False
        s3.delete_object(Bucket=DESTINATION, Key=key)
        return digest.digest() == self._digest


def _digest_of_decoded(sample: Path) -> bytes:
    digest = hashlib.sha256()
    with gzip.open(sample) as stream:
        while block := stream.read(MIB):
            digest.update(block)
    return digest.digest()


def measure(rows: int, repeat: int, server: str) -> Iterator[Run]:
    sample = samples.cached("accidents", rows, checkout() / ".penstock" / "samples")
    contenders = [OURS, "usual"]
    with ExitStack() as stack:
        account = stack.enter_context(emulator_only())
        endpoint = "" if server == "emulator" else stack.enter_context(s3_server())
        bench = Bench(Surroundings(account, s3_endpoint=endpoint), sample)
        for size in SIZES:
            for _ in range(repeat):
                for contender in contenders:
                    yield from bench.runs(contender, size)
                contenders.reverse()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gunzip", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the sample (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of each (default: %(default)s)")
    parser.add_argument("--server", choices=("light", "emulator"), default="light", help="who plays S3")
    options = parser.parse_args(argv)

    runs = []
    for run in measure(options.rows, options.repeat, options.server):
        print(run.line, file=sys.stderr, flush=True)
        runs.append(run)
    missed = wrong(runs)
    if full := options.rows >= ROWS:
        missed += missed_targets(runs)
    report = f"{options.rows:,} rows, {options.repeat} repetitions, S3 played by the {options.server} server; "
    report += f"{platform.machine()}, Python {platform.python_version()}\n\n{table(runs)}\n"
    report += "".join(f"\nMissed: {target}\n" for target in missed)
    print(report)
    if full:
        RESULTS.mkdir(exist_ok=True)
        name = RESULTS / f"gunzip-{options.server}"
        name.with_suffix(".md").write_text(report)
        name.with_suffix(".json").write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
