"""A large Deflate member of a zip to S3: Penstock's ingest function beside what people write."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.certificate import certificate
from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.functions import cold_and_warm, peer
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import MIB, Reading, Readings
from benchmarks.frame.result import Result
from benchmarks.frame.rounds import present, take_turns
from benchmarks.s3_server import s3_server
from benchmarks.workloads.archive import ROUTES
from benchmarks.workloads.tables import none_failed

from penstock_local import samples
from penstock_local.account import emulator_only
from penstock_local.runtime import Function
from penstock_local.runtime.environment import DESTINATION, IngestEnvironment
from penstock_local.sources import checkout

ROWS = 500_000  # 187 MB decoded
KEY, MEMBER = "in/accidents.zip", "accidents.csv"

OURS = Contender("Penstock", Role.OURS)
MODULES = {
    Contender("download_file, zipfile, upload_fileobj"): "unzip_disk",
    Contender("smart_open, zipfile, upload_fileobj", modules=("smart_open",)): "unzip_smart_open",
    Contender("get_object, stream-unzip, upload_fileobj", modules=("stream_unzip",)): "unzip_stream",
    Contender("remotezip, upload_fileobj", modules=("remotezip",)): "unzip_remote",
    Contender("aws s3 cp, unzip, aws s3 cp", modules=("awscli",), commands=("unzip", "bash")): "unzip_command",
}

ABOUT = """One zip with one member, {rows:,} made-up rows shaped like a table of US accidents: {source:.0f} MB,
{size:.0f} MB decoded. Every contender is a Lambda function in Lambda's own runtime client, with a `/tmp` on disk, as
large as it needs. S3 is a [light server](../s3_server.py) in a process of its own that speaks TLS. Penstock verifies
the member against the directory of the zip, hands its CRC32 to S3 and keeps its jobs table on the emulator. Results are
compared by SHA-256.

Half of the CPU is for sending, the same for all. Decoding alone is measured by `python -m benchmarks.zip_members`,
which holds it to 1.8 times the bytes per CPU second of zipfile and stream-unzip."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A zip, and what its member holds."""

    body: bytes
    decoded: int
    digest: bytes

    @classmethod
    def of(cls, rows: int) -> Sample:
        path = samples.cached("accidents", rows, checkout() / ".penstock" / "samples")
        digest, size = hashlib.sha256(), 0
        with TemporaryDirectory() as folder, gzip.open(path) as stream:
            zipped = Path(folder, "a.zip")
            with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(MEMBER, "w") as member:
                while block := stream.read(MIB):
                    digest.update(block)
                    size += len(block)
                    member.write(block)
            return cls(zipped.read_bytes(), size, digest.digest())


class Bench:
    """The servers, the zip in its bucket, and a contender's function at a size."""

    def __init__(self, ingest_environment: IngestEnvironment, sample: Sample, give_up: float) -> None:
        self._ingest_environment = ingest_environment
        self._sample = sample
        self._give_up = give_up
        self._upload = ingest_environment.upload(KEY, sample.body)

    def run(self, contender: Contender, memory: int, repetition: int) -> Iterator[Reading]:
        function = self._function(contender, memory)
        yield from cold_and_warm(contender.name, function, repetition, self._upload.event, self._compare)

    def _function(self, contender: Contender, memory: int) -> Function:
        if contender is OURS:
            return self._ingest_environment.ingest(
                memory=memory, timeout=self._give_up, env={"PENSTOCK_ROUTES_URI": str(ROUTES)}
            )
        return peer(MODULES[contender], memory, self._give_up, self._ingest_environment.environment)

    def _compare(self) -> None:
        """The destination holds exactly the decoded bytes; they are then deleted."""
        s3, digest = self._ingest_environment.s3, hashlib.sha256()
        for block in s3.get_object(Bucket=DESTINATION, Key=MEMBER)["Body"].iter_chunks(MIB):
            digest.update(block)
        s3.delete_object(Bucket=DESTINATION, Key=MEMBER)
        assert digest.digest() == self._sample.digest, "the result is wrong"


def measure(form: Form) -> Result:
    rows = round(ROWS * form.scale)
    sample = Sample.of(rows)
    machine = Host.here("boto3", "awscli", "smart-open", "stream-unzip", "remotezip")
    contenders = present((OURS, *MODULES))
    with ExitStack() as stack:
        account = stack.enter_context(emulator_only())
        tls = stack.enter_context(certificate())
        endpoint = stack.enter_context(s3_server(certificate=tls))
        ingest_environment = IngestEnvironment(account, s3_endpoint=endpoint, ca_bundle=str(tls / "cert.pem"))
        bench = Bench(ingest_environment, sample, form.give_up)
        readings = Readings(tuple(take_turns(contenders, form, bench.run)))
    return Result(
        name="unzip",
        title="A large member of a zip to S3",
        about=ABOUT.format(rows=rows, source=len(sample.body) / 1e6, size=sample.decoded / 1e6),
        size=sample.decoded,
        per="decoded",
        contenders=tuple(contenders),
        form=form,
        machine=machine,
        readings=readings,
        goals=tuple(none_failed(readings, OURS.name, form)) if form.scale == 1 else (),
    )
