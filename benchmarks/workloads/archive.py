"""A zip of many small members to a bucket: Penstock's ingest function beside what people write."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from benchmarks.codec_speed import rows
from benchmarks.dynamodb_server import light_server
from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.functions import cold_and_warm, peer
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import Reading, Readings, wall
from benchmarks.frame.result import Goal, Result, at_most
from benchmarks.frame.rounds import present, take_turns
from benchmarks.s3_server import s3_server
from benchmarks.workloads.tables import VCPU, none_failed

from penstock_local.account import Account
from penstock_local.runtime import Function
from penstock_local.runtime.environment import DESTINATION, IngestEnvironment
from penstock_local.sources import checkout

MEMBERS, MEMBER_BYTES = 1_000, 10_000
S3_LATENCY, JOBS_LATENCY = 0.02, 0.005  # seconds
WAIT_SECONDS = 20.0
KEY = "in/members.zip"
ROUTES = checkout() / "benchmarks" / "workloads" / "archive.toml"
CLEANERS = 32

OURS = Contender("Penstock", Role.OURS)
LOOP = Contender("download_file, zipfile, upload_fileobj")
THREADS = Contender("the same with 32 threads")
PUT = Contender("put_object with 32 threads")
MODULES = {LOOP: "archive_loop", THREADS: "archive_threads", PUT: "archive_put"}
UNDER_LOOP, UNDER_THREADS = 1 / 10, 1.0

ABOUT = """One zip of {members:,} members of {size:,} bytes of CSV each, deflated to {encoded:.1f} MB, from a bucket to
a bucket, an object for each member. Every contender is a Lambda function in Lambda's own runtime client, each
repetition a fresh process with a cold and a warm event. S3 is a [light server](../s3_server.py) that lets 20 ms pass
before it answers any GET, HEAD or PUT. Penstock verifies each member against the directory of the zip, hands its CRC32
to S3, publishes only what is not there yet, lists what became of each member, and keeps its jobs table on a [light
server](../dynamodb_server.py) that answers after 5 ms; the peers do nothing of that. After each run all objects are
compared byte for byte and deleted, so that no key exists before a run. A peer that takes longer than {patience:.0f} s
has one turn at that size.

The goals are for a whole vCPU only: what the loop loses there is time to wait, and a small function waits for its CPU
anyway."""


class Bench:
    """The servers, the zip in its bucket, and a contender's function at a size."""

    def __init__(self, ingest_environment: IngestEnvironment, members: int, form: Form) -> None:
        self._ingest_environment = ingest_environment
        self._give_up = form.give_up
        text = rows(members * MEMBER_BYTES)
        self._members = {
            f"data/{number:04}.csv": text[number * MEMBER_BYTES :][:MEMBER_BYTES] for number in range(members)
        }
        body = _zipped(self._members)
        self.encoded = len(body)
        self._upload = ingest_environment.upload(KEY, body)

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
        """Each member is an object with its bytes; they are then deleted."""
        with ThreadPoolExecutor(CLEANERS) as pool:
            assert all(pool.map(self._is_right, self._members)), "the result is wrong"

    def _is_right(self, name: str) -> bool:
        s3 = self._ingest_environment.s3
        found = s3.get_object(Bucket=DESTINATION, Key=name)["Body"].read()
        s3.delete_object(Bucket=DESTINATION, Key=name)
        return found == self._members[name]


def _zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def measure(form: Form) -> Result:
    members = round(MEMBERS * form.scale)
    machine = Host.here("boto3")
    contenders = present((OURS, *MODULES))
    with ExitStack() as stack:
        account = Account(stack.enter_context(light_server(JOBS_LATENCY)))
        endpoint = stack.enter_context(s3_server(S3_LATENCY, writes=S3_LATENCY))
        bench = Bench(IngestEnvironment(account, s3_endpoint=endpoint), members, form)
        readings = Readings(tuple(take_turns(contenders, form, bench.run, patience=WAIT_SECONDS)))
    about = ABOUT.format(members=members, size=MEMBER_BYTES, encoded=bench.encoded / 1e6, patience=WAIT_SECONDS)
    return Result(
        name="archive",
        title="A zip of small members to S3",
        about=about,
        size=members * MEMBER_BYTES,
        per="of members",
        contenders=tuple(contenders),
        form=form,
        machine=machine,
        readings=readings,
        goals=tuple(_goals(readings, form)) if form.scale == 1 else (),
    )


def _goals(readings: Readings, form: Form) -> list[Goal]:
    whole = [size for size in form.sizes if size >= VCPU]
    return [
        *at_most(readings, UNDER_LOOP, OURS.name, LOOP.name, wall, what="wall time", sizes=whole),
        *at_most(readings, UNDER_THREADS, OURS.name, THREADS.name, wall, what="wall time", sizes=whole),
        *none_failed(readings, OURS.name, form),
    ]
