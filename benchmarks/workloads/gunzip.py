"""Gunzip to S3: Penstock's ingest function beside what people write, and the parts of the work alone."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.certificate import certificate
from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.functions import cold_and_warm, peer
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import MIB, Reading, Readings, cpu
from benchmarks.frame.result import Goal, Result, at_most
from benchmarks.frame.rounds import present, take_turns
from benchmarks.s3_server import s3_server

from penstock_local import samples
from penstock_local.account import emulator_only
from penstock_local.runtime import Function
from penstock_local.runtime.environment import DESTINATION, IngestEnvironment
from penstock_local.sources import checkout

ROWS = 500_000  # 34 MB of gzip, 187 MB decoded
KEY = "accidents.csv.gz"
PLAIN = KEY.removesuffix(".gz")

OURS = Contender("Penstock", Role.OURS)
DISK = Contender("download_file, gzip, upload_fileobj")
DECODE, UPLOAD = Contender("decode alone", Role.LIMIT), Contender("part upload alone", Role.LIMIT)
MODULES = {
    DISK: "gunzip_disk",
    Contender("get_object, gzip, upload_fileobj"): "gunzip_stream",
    Contender("smart_open to smart_open"): "gunzip_smart_open",
    Contender("powertools S3Object, GzipTransform"): "gunzip_powertools",
    Contender("aws s3 cp - | gzip -dc | aws s3 cp -", modules=("awscli",), commands=("gzip", "bash")): "gunzip_pipe",
    DECODE: "gunzip_decode",
    UPLOAD: "gunzip_upload",
}
CPU_SHARE, OVER_LIMITS = 0.35, 1.4
CPU_SHARE_COLD = 0.5  # a cold start is a third of so small a job, and costs both the same
PEAK = 110 * MIB  # of the smallest function

ABOUT = """One file, {rows:,} made-up rows shaped like a table of US accidents: {source:.0f} MB of gzip, {size:.0f} MB
decoded. Every contender is a Lambda function in Lambda's own runtime client; the file system is read-only but for the
function's own `/tmp`, on disk, as large as it needs. Each repetition is a fresh process with a cold and a warm event.
S3 is a [light server](../s3_server.py) in a process of its own that speaks TLS, as S3 does, and hashes nothing, so that
the functions set the pace; Penstock keeps its jobs table on the emulator, the others keep none. Results are compared by
SHA-256. The two limits are not the job: *decode alone* is zlib-ng from a file to nowhere, *part upload alone* sends as
many zeros by boto3."""


@dataclass(frozen=True, slots=True)
class Sample:
    path: Path
    decoded: int
    digest: bytes


class Bench:
    """The servers, the sample in its bucket, and a contender's function at a size."""

    def __init__(self, ingest_environment: IngestEnvironment, sample: Sample, give_up: float) -> None:
        self._ingest_environment = ingest_environment
        self._sample = sample
        self._give_up = give_up
        self._upload = ingest_environment.upload(KEY, sample.path.read_bytes())

    def run(self, contender: Contender, memory: int, repetition: int) -> Iterator[Reading]:
        event: Callable[[], object] = self._upload.event
        right = self._compare
        if contender.role is Role.LIMIT:
            asked = {
                "file": str(self._sample.path),
                "bucket": DESTINATION,
                "key": "zeros",
                "size": self._sample.decoded,
            }
            event, right = partial(dict, asked), _anything
        function = self._function(contender, memory)
        yield from cold_and_warm(contender.name, function, repetition, event, right)

    def _function(self, contender: Contender, memory: int) -> Function:
        if contender is OURS:
            return self._ingest_environment.ingest(memory=memory, timeout=self._give_up)
        return peer(MODULES[contender], memory, self._give_up, self._ingest_environment.environment)

    def _compare(self) -> None:
        """The destination holds exactly the decoded bytes; they are then deleted."""
        s3, digest = self._ingest_environment.s3, hashlib.sha256()
        for block in s3.get_object(Bucket=DESTINATION, Key=PLAIN)["Body"].iter_chunks(MIB):
            digest.update(block)
        s3.delete_object(Bucket=DESTINATION, Key=PLAIN)
        assert digest.digest() == self._sample.digest, "the result is wrong"


def _anything() -> None:
    """A limit leaves nothing to compare."""


def measure(form: Form) -> Result:
    rows = round(ROWS * form.scale)
    sample = _sample(rows)
    machine = Host.here("boto3", "awscli", "smart-open", "aws-lambda-powertools", "zlib-ng")
    contenders = present((OURS, *MODULES))
    with ExitStack() as stack:
        account = stack.enter_context(emulator_only())
        tls = stack.enter_context(certificate())
        endpoint = stack.enter_context(s3_server(certificate=tls))
        ingest_environment = IngestEnvironment(account, s3_endpoint=endpoint, ca_bundle=str(tls / "cert.pem"))
        bench = Bench(ingest_environment, sample, form.give_up)
        readings = Readings(tuple(take_turns(contenders, form, bench.run)))
    about = ABOUT.format(rows=rows, source=sample.path.stat().st_size / 1e6, size=sample.decoded / 1e6)
    return Result(
        name="gunzip",
        title="Gunzip to S3",
        about=about,
        size=sample.decoded,
        per="decoded",
        contenders=tuple(contenders),
        form=form,
        machine=machine,
        readings=readings,
        goals=_goals(readings, form) if form.scale == 1 else (),
    )


def _sample(rows: int) -> Sample:
    path = samples.cached("accidents", rows, checkout() / ".penstock" / "samples")
    digest, size = hashlib.sha256(), 0
    with gzip.open(path) as stream:
        while block := stream.read(MIB):
            digest.update(block)
            size += len(block)
    return Sample(path, size, digest.digest())


def _goals(readings: Readings, form: Form) -> tuple[Goal, ...]:
    shares = {"cold": CPU_SHARE_COLD, "warm": CPU_SHARE}
    goals = [
        goal
        for start, share in shares.items()
        for goal in at_most(readings, share, OURS.name, DISK.name, cpu, what="CPU", sizes=form.sizes, starts=(start,))
    ]
    for memory in form.sizes:
        goals.append(_over_limits(readings, memory))
        failed = [r for r in readings.all if r.contender == OURS.name and r.memory == memory and r.error]
        goals.append(Goal(f"{memory} MB: {len(failed)} of Penstock's runs failed (none may)", not failed))
    peaks = [r.peak for r in readings.all if (r.contender, r.memory) == (OURS.name, 128)]
    if peaks:
        said = f"128 MB: {max(peaks) / MIB:.0f} MiB at the peak (at most {PEAK // MIB})"
        goals.append(Goal(said, max(peaks) <= PEAK))
    return tuple(goals)


def _over_limits(readings: Readings, memory: int) -> Goal:
    spreads = [readings.spread(each.name, memory, "warm", cpu) for each in (OURS, DECODE, UPLOAD)]
    ours, decode, upload = (spread.middle if spread else float("nan") for spread in spreads)
    ratio = ours / (decode + upload)
    said = f"{memory} MB, warm: {ratio:.2f} times the CPU of decode and part upload alone (at most {OVER_LIMITS})"
    return Goal(said, ratio <= OVER_LIMITS)
