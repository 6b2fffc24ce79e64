"""What cutting costs and what it saves: one invocation, beside an index pass and spans, by one worker and by two.

    python -m benchmarks.spans [--rows N] [--repeat K]

Each measurement is a fresh process with the deployed functions' own steps at 1,769 MB, against the light S3 server,
which runs in a process of its own. CPU seconds are those of the steps, imports and clients aside; wall seconds of two
workers are those of the slower one. The result of each way is compared with the sample by SHA-256. Exits with 1 when
one is wrong, and, with all rows, when index and spans take more than 2.2 times the CPU of the single pass.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import boto3
from benchmarks.s3_server import s3_server

from penstock.aws.s3.client import s3_client
from penstock.delivery.attempt import Attempt
from penstock.delivery.bucket import BucketDelivery
from penstock.delivery.member_store import MemberObjects
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.destinations.bucket.part_store import S3PartStore
from penstock.large_jobs.index_pass import Index, IndexPass
from penstock.large_jobs.span_planning import cut_parts, part_size, span_size
from penstock.large_jobs.span_reader import span_bytes
from penstock.limits import MIB, Budget
from penstock.model.job import Job
from penstock.model.object import ObjectHead, Source, Target
from penstock.model.span import Stored
from penstock.routes import destination_of, parse_routes
from penstock_local import samples
from penstock_local.sources import checkout

ROWS = 1_000_000
MEMORY = 1769 * MIB
MOST = 2.2
SOURCE, KEY = "source", "accidents.csv.gz"
TARGET = Target("destination", "accidents.csv")
ROUTES = '[[route]]\nname = "all"\nmatch = ["*"]\ndestination = "s3://destination/{stem}"\n'
RESULTS = Path(__file__).parent / "results"
SPACING = 16 * MIB


class Forever:
    def remaining(self) -> float:
        return 900.0


@dataclass(frozen=True)
class FolderFiles:
    """Work files in a folder that the processes share."""

    folder: Path
    bucket: str = "work"

    def read(self, key: str) -> bytes | None:
        path = self.folder / key.replace("/", "_")
        return path.read_bytes() if path.exists() else None

    def read_part(self, stored: Stored) -> bytes:
        return (self.read(stored.key) or b"")[stored.start : stored.start + stored.size]

    def write(self, key: str, data: bytes) -> None:
        (self.folder / key.replace("/", "_")).write_bytes(data)

    def write_once(self, key: str, data: bytes) -> bytes:
        self.write(key, data)
        return data


class Rig:
    """What a process works with."""

    def __init__(self, folder: Path) -> None:
        self.budget = Budget.of(MEMORY)
        self.s3 = s3_client(self.budget)
        self.objects = MemberObjects(S3ObjectStore(self.s3, self.budget), self.budget)
        self.files = FolderFiles(folder)
        head = self.objects.head(SOURCE, KEY)
        assert head
        self.source = Source(SOURCE, KEY, head.size, head.etag)
        self.index = Index(self.files, self.source, "gzip", SPACING)
        self.routes = parse_routes(ROUTES, "routes.toml", {"source_bucket": SOURCE})
        (self.route,) = self.routes.routes

    def single(self) -> None:
        job = Job(self.source, self.route, destination_of(self.route, self.source))
        head = ObjectHead(self.source.size, self.source.etag)
        attempt = Attempt(job, head, 1, self.routes, lambda _: None, Forever(), 10.0)
        BucketDelivery(self.objects, self.budget)(attempt)

    def make_index(self) -> None:
        assert IndexPass(self.index, self.route, self.objects, self.budget, Forever(), 10.0, lambda _: None).run()

    def work(self, share: int, of: int) -> None:
        state = self.index.state()
        part = part_size(state.total, self.budget)
        spans = cut_parts(
            list(self.index.boundaries()),
            total=state.total,
            source_size=self.source.size,
            part=part,
            span=span_size(state.total, of * 2),
        )
        parts = S3PartStore(self.s3, self.budget)
        for span in list(spans)[share::of]:
            pieces = span_bytes(
                self.objects,
                self.files,
                self.source,
                span,
                codec="gzip",
                budget=self.budget,
                deadline=Forever(),
                margin=10.0,
            )
            with parts.open_parts(TARGET, "upload", first=span.first_part, size=span.part_size) as sink:
                for piece in pieces:
                    sink.write(piece)
                sink.finish()


def measured(work: Callable[[], None]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def child(task: list[str], folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.spans", "--child", *task, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def run_child(task: list[str], folder: Path) -> None:
    rig = Rig(folder)
    if task[0] == "work":
        print(json.dumps(measured(lambda: rig.work(int(task[1]), int(task[2])))))
    else:
        print(json.dumps(measured(rig.single if task[0] == "single" else rig.make_index)))


class Bench:
    def __init__(self, sample: Path) -> None:
        self.s3 = boto3.client("s3")
        self.s3.put_object(Bucket=SOURCE, Key=KEY, Body=sample.read_bytes())
        with gzip.open(sample) as stream:
            self.digest = hashlib.file_digest(stream, "sha256").digest()

    def once(self) -> dict[str, dict[str, float]]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = {"single pass": child(["single"], folder)}
            self.check()
            rows["index"] = child(["index"], folder)
            for workers in (1, 2):
                self.s3.create_multipart_upload(Bucket=TARGET.bucket, Key=TARGET.key)
                with ThreadPoolExecutor(workers) as threads:
                    each = list(
                        threads.map(lambda n, w=workers: child(["work", str(n), str(w)], folder), range(workers))
                    )
                rows[f"spans, {workers} worker{'s' * (workers > 1)}"] = {
                    "wall": max(one["wall"] for one in each),
                    "cpu": sum(one["cpu"] for one in each),
                }
                self.s3.complete_multipart_upload(
                    Bucket=TARGET.bucket, Key=TARGET.key, UploadId="upload", MultipartUpload={"Parts": []}
                )
                self.check()
        return rows

    def check(self) -> None:
        digest = hashlib.sha256()
        body = self.s3.get_object(Bucket=TARGET.bucket, Key=TARGET.key)["Body"]
        for block in body.iter_chunks(MIB):
            digest.update(block)
        if digest.digest() != self.digest:
            sys.exit("a result differs from the sample")
        self.s3.delete_object(Bucket=TARGET.bucket, Key=TARGET.key)


def table(runs: list[dict[str, dict[str, float]]]) -> tuple[str, float]:
    def median(way: str, what: str) -> float:
        return statistics.median(run[way][what] for run in runs)

    single = median("single pass", "cpu"), median("single pass", "wall")
    lines = ["| way | CPU s | CPU ratio | wall s | wall ratio |", "|---|---|---|---|---|"]
    ways = {way: (median(way, "cpu"), median(way, "wall")) for way in runs[0]}
    index = ways["index"]
    for workers in ("1 worker", "2 workers"):
        spans = ways[f"spans, {workers}"]
        ways[f"index + spans, {workers}"] = index[0] + spans[0], index[1] + spans[1]
    for way, (cpu, wall) in ways.items():
        lines.append(f"| {way} | {cpu:.2f} | {cpu / single[0]:.2f} | {wall:.2f} | {wall / single[1]:.2f} |")
    return "\n".join(lines), ways["index + spans, 1 worker"][0] / single[0]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spans", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the sample (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions (default: %(default)s)")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        run_child(options.child, options.folder)
        return 0
    sample = samples.cached("accidents", options.rows, checkout() / ".penstock" / "samples")
    with s3_server() as endpoint:
        os.environ |= {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        bench = Bench(sample)
        lines, ratio = table([bench.once() for _ in range(options.repeat)])
    size = f"{sample.stat().st_size / 1e6:.0f} MB of gzip"
    report = f"{options.rows:,} rows, {size}, {options.repeat} repetitions\n\n{lines}\n"
    print(report)
    if options.rows >= ROWS:
        (RESULTS / "spans.md").write_text(report)
        return 1 if ratio > MOST else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
