"""A zip of large members from upload to objects, through the deployed state machine.

    python -m benchmarks.large_zip [--gb 4]

Eight members of so many GB together, half of them random bytes and half rows of text; two are stored, the rest is
deflated. Each object is compared by SHA-256. The peak memory of each function and of the emulator, which keeps objects
in memory, is their largest resident set, looked at five times a second.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from benchmarks.frame.contender import LONG, Form
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import GB, MIB
from benchmarks.large import job_of, lines

from penstock_local.stack import Stack, running

RESULTS = Path(__file__).parent / "results"
KEY = "large.zip"
MEMBERS = 8
STORED = (0, 5)  # one of random bytes, one of text
EMULATOR = "the emulator, with all objects"
LOOK_SECONDS = 0.2
# Of the functions' 128 MB.
PEAK = 110 * MIB
ROUTES = """
[[route]]
name = "zips"
match = "*.zip"
archive = "members"

[[route]]
name = "members"
match = "*.zip/*"
destination = "s3://{destination_bucket}/{member}"
"""
PARAMETERS = {
    "MemorySize": "128",
    "LargeBytes": "1000000",
    "MapConcurrency": "2",
    "MaximumConcurrency": "2",
    "SpanBytes": str(64 * MIB),
}


def blocks(number: int, size: int) -> Iterator[bytes]:
    """The content of a member, of about ``size`` bytes: random if its number is even."""
    if number % 2:
        yield from lines(size)
        return
    draw = random.Random(number)
    for _ in range(-(-size // MIB)):
        yield draw.randbytes(MIB)


def write(path: Path, size: int) -> Mapping[str, str]:
    """Write the zip, and return the SHA-256 of each member by name."""
    digests = {}
    with zipfile.ZipFile(path, "w", compresslevel=1) as archive:
        for number in range(MEMBERS):
            info = zipfile.ZipInfo(f"{number}.{'txt' if number % 2 else 'bin'}")
            info.compress_type = zipfile.ZIP_STORED if number in STORED else zipfile.ZIP_DEFLATED
            digest = hashlib.sha256()
            with archive.open(info, "w", force_zip64=True) as member:
                for block in blocks(number, size // MEMBERS):
                    digest.update(block)
                    member.write(block)
            digests[info.filename] = digest.hexdigest()
    return digests


@dataclass(slots=True)
class Peaks:
    """The largest resident set of each function, and of the emulator, in bytes."""

    emulator: int
    endpoint: str
    found: dict[str, int] = field(default_factory=dict)
    _seen: dict[str, set[int]] = field(default_factory=dict)

    def processes(self, name: str) -> int:
        """The number of processes of a function that were seen."""
        return len(self._seen[name])

    def look(self) -> None:
        self._note(EMULATOR, self.emulator)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or belongs to somebody else
                told = dict(each.partition(b"=")[::2] for each in (process / "environ").read_bytes().split(b"\0"))
                name = told.get(b"AWS_LAMBDA_FUNCTION_NAME")
                if name and self.endpoint.encode() in told.values():  # other stacks may run
                    self._note(name.decode(), int(process.name))

    def _note(self, name: str, process: int) -> None:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
        self.found[name] = max(peak, self.found.get(name, 0))
        self._seen.setdefault(name, set()).add(process)


@contextmanager
def peaks(stack: Stack) -> Iterator[Peaks]:
    """Look at the processes for the duration of the context."""
    seen, ended = Peaks(stack.pid, stack.endpoint), Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            seen.look()

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def digest_of(stack: Stack, key: str) -> str:
    digest = hashlib.sha256()
    body = stack.client("s3").get_object(Bucket=stack.destination_bucket, Key=key)["Body"]
    for chunk in body.iter_chunks(MIB):
        digest.update(chunk)
    return digest.hexdigest()


def deliver(folder: Path, size: int) -> tuple[dict[str, Any], Mapping[str, int], int, float]:
    """Return the archive's job, the peaks, the size of the zip, and seconds."""
    path = folder / KEY
    expected = write(path, size)
    (folder / "routes.toml").write_text(ROUTES)
    with running(routes=folder / "routes.toml", parameters=PARAMETERS) as stack, peaks(stack) as seen:
        encoded = path.stat().st_size
        stack.client("s3").upload_file(str(path), stack.source_bucket, KEY)
        path.unlink()
        began = time.monotonic()
        job = job_of(stack, KEY)
        seconds = time.monotonic() - began
        if job["state"] != "succeeded":
            sys.exit(f"{KEY}: {job}")
        found = {name: digest_of(stack, name) for name in expected}
        if found != expected:
            sys.exit(f"objects differ from their members: {[name for name in found if found[name] != expected[name]]}")
        return job, seen.found, encoded, seconds


def report(size: int) -> tuple[str, list[str]]:
    """Return the report, and what misses its goal."""
    with tempfile.TemporaryDirectory() as name:
        job, found, encoded, seconds = deliver(Path(name), size)
    over = [f"{name}: {peak / MIB:.0f} MiB" for name, peak in found.items() if name != EMULATOR and peak > PEAK]
    rows = "".join(f"| {name} | {peak / MIB:,.0f} |\n" for name, peak in sorted(found.items()) if name != EMULATOR)
    text = (
        "# A zip of large members\n\n"
        f"`python -m benchmarks.large_zip --gb {size / GB:g}`: {MEMBERS} members, {int(job['bytes_out']) / GB:.2f} GB, "
        f"in a zip of {encoded / GB:.2f} GB, through the state machine on the local stack: {seconds:.0f} s. Every "
        f"object is identical to its member by SHA-256. {len(STORED)} members are stored, the others deflated; half "
        "are random bytes, half text. Two workers at once, in functions of 128 MB.\n\n"
        f"{Host.here('boto3')}.\n\n"
        "| process | largest resident set, MiB |\n|---|---:|\n"
        f"{rows}| {EMULATOR} | {found[EMULATOR] / MIB:,.0f} |\n\n"
        f"- {'**missed**: ' + ', '.join(over) if over else 'met'}: no function beyond {PEAK // MIB} MiB\n"
    )
    return text, over


def measure(form: Form, gb: float = 4) -> list[str]:
    """Deliver the zip, and return what misses its goal. The long form leaves its report in the results."""
    text, missed = report(int(gb * GB * form.scale))
    sys.stdout.write(text)
    if form == LONG:
        (RESULTS / "large-zip.md").write_text(text)
    return [f"large-zip: {each}" for each in missed]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_zip", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--gb", type=float, default=4, help="bytes of all members (default: %(default)s)")
    return 1 if measure(LONG, parser.parse_args(argv).gb) else 0


if __name__ == "__main__":
    sys.exit(main())
