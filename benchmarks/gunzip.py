"""Gunzip to S3: Penstock's ingest function beside the usual way, in the real runtime client, at a function's size.

    python -m benchmarks.gunzip [--rows N] [--repeat K] [--server light|emulator]

Both contenders read the same file from, and write to, the same S3 server, which runs in a process of its own. Each
repetition of each is a fresh function process that is given two events, one cold and one warm; contenders take turns.
Every result is compared with the sample by SHA-256. Exits with 1 when one is wrong or a target is missed.
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
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3
from benchmarks.gunzip_report import Run, Size, missed_targets, table, wrong
from benchmarks.s3_server import s3_server
from botocore.config import Config
from botocore.exceptions import ClientError

from penstock_local import samples
from penstock_local.account import Account, emulator_only
from penstock_local.runtime import Function
from penstock_local.runtime.caps import FULL_VCPU_MB
from penstock_local.tools import checkout

MIB = 1024 * 1024
ROWS = 1_000_000  # what the targets are set for: a cold start weighs more on a smaller file
KEY = "accidents.csv.gz"
SOURCE, DESTINATION, WORK, JOBS = "bench-source", "bench-destination", "bench-work", "bench-jobs"
RESULTS = Path(__file__).parent / "results"


SIZES = (
    Size("128 MB, one vCPU", 128, 1.0),
    Size("128 MB, its own 0.072 vCPU", 128, 128 / FULL_VCPU_MB),
    Size("1769 MB, its own vCPU", 1769, 1.0),
    Size("no cap", 1769, None),
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A function folder and the layers it imports from."""

    name: str
    task_root: Path
    layers: tuple[Path, ...] = ()


class Bench:
    """Buckets with the sample, a jobs table, and what the sample's decoded bytes must be."""

    def __init__(self, account: Account, s3_endpoint: str, sample: Path) -> None:
        self._environment = {**account.environment, "AWS_ENDPOINT_URL_S3": s3_endpoint}
        self._s3 = boto3.client(
            "s3",
            endpoint_url=s3_endpoint,
            region_name=account.region,
            aws_access_key_id=account.access_key_id,
            aws_secret_access_key=account.secret_access_key,
            config=Config(proxies={}),
        )
        self._digest = _digest_of_decoded(sample)
        self._sequence = count(1)
        for bucket in (SOURCE, DESTINATION, WORK):
            self._s3.create_bucket(Bucket=bucket)
        account.client("dynamodb").create_table(
            TableName=JOBS,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        etag = self._s3.put_object(Bucket=SOURCE, Key=KEY, Body=sample.read_bytes())["ETag"]
        self._source = {"key": KEY, "size": sample.stat().st_size, "eTag": etag.strip('"')}

    def runs(self, contender: Contender, size: Size) -> Iterator[Run]:
        """A cold and a warm event in one process; one only if it dies of the first."""
        function = Function(
            "app.handler",
            contender.task_root,
            memory=size.memory,
            vcpus=math.inf if size.vcpus is None else size.vcpus,
            layers=contender.layers,
            env=self._function_environment(),
            caps="none" if size.vcpus is None else "auto",
        )
        with function:
            for start in ("cold", "warm"):
                invocation = function.invoke(self._event())
                yield Run.of(contender.name, size, start, invocation, right=self._delivered())
                if not invocation.ok:
                    return

    def _event(self) -> dict[str, Any]:
        """A new upload, as far as a function can tell: its sequencer differs."""
        entity = {**self._source, "sequencer": f"{next(self._sequence):016X}"}
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "s3": {"bucket": {"name": SOURCE}, "object": entity},
        }
        return {"Records": [record]}

    def _function_environment(self) -> dict[str, str]:
        return {
            **self._environment,
            "PENSTOCK_JOBS_TABLE": JOBS,
            "PENSTOCK_SOURCE_BUCKET": SOURCE,
            "PENSTOCK_DESTINATION_BUCKET": DESTINATION,
            "PENSTOCK_WORK_BUCKET": WORK,
            "POWERTOOLS_SERVICE_NAME": "penstock",
            "POWERTOOLS_METRICS_NAMESPACE": "Penstock",
            "POWERTOOLS_TRACE_DISABLED": "true",
        }

    def _delivered(self) -> bool:
        """Whether the destination holds exactly the decoded bytes; then they are deleted."""
        key = KEY.removesuffix(".gz")
        digest = hashlib.sha256()
        try:
            for block in self._s3.get_object(Bucket=DESTINATION, Key=key)["Body"].iter_chunks(MIB):
                digest.update(block)
        except ClientError:
            return False
        self._s3.delete_object(Bucket=DESTINATION, Key=key)
        return digest.digest() == self._digest


def _digest_of_decoded(sample: Path) -> bytes:
    digest = hashlib.sha256()
    with gzip.open(sample) as stream:
        while block := stream.read(MIB):
            digest.update(block)
    return digest.digest()


def measure(rows: int, repeat: int, server: str) -> Iterator[Run]:
    root = checkout()
    sample = samples.cached("accidents", rows, root / ".penstock" / "samples")
    contenders = [
        Contender("penstock", root / "functions" / "ingest", (root / "layers" / "penstock",)),
        Contender("usual", root / "benchmarks" / "usual"),
    ]
    with ExitStack() as stack:
        account = stack.enter_context(emulator_only())
        endpoint = account.endpoint if server == "emulator" else stack.enter_context(s3_server())
        bench = Bench(account, endpoint, sample)
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
    missed = wrong(runs) + (missed_targets(runs) if options.rows >= ROWS else [])
    header = f"{options.rows:,} rows, {options.repeat} repetitions, S3 played by the {options.server} server"
    report = f"{header}; {platform.machine()}, Python {platform.python_version()}\n\n{table(runs)}\n"
    report += "".join(f"\nMissed: {target}\n" for target in missed)
    print(report)
    RESULTS.mkdir(exist_ok=True)
    name = RESULTS / f"gunzip-{options.server}"
    name.with_suffix(".md").write_text(report)
    name.with_suffix(".json").write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
