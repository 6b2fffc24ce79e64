"""The planner of the deployed functions, run on a source that is as large as it gets: memory, CPU, and what it writes.

Each plan has a process of its own, because only the largest resident set of a process can be asked for.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.limits import MANIFEST_BYTES, PAYLOAD, RATIO
from benchmarks.member_requests import NAMES, ROUTES, SIZE, STATED
from benchmarks.scale.case import figure
from benchmarks.scale.sparse import SparseObjects, gzipped, plain, zip_of_many, zip_of_one

from penstock.codecs.index_file import pack
from penstock.delivery.archive_reader import ArchiveReader
from penstock.delivery.member_store import MemberObjects
from penstock.explain.costs import INVOCATION_SECONDS
from penstock.large_jobs.estimate import VCPU
from penstock.large_jobs.index_pass import SEGMENT, IndexState
from penstock.large_jobs.job_files import JOB_SPEC, MANIFEST, JobFolder, JobSpec
from penstock.large_jobs.plan import Planner, Sizes, index_of
from penstock.large_jobs.plan_members import MemberPlanner
from penstock.large_jobs.span_plan import MemberBatches, ObjectSpans
from penstock.large_jobs.span_planning import MAX_SPANS
from penstock.limits import MIB, S3, Budget
from penstock.model.job import Claim, Job
from penstock.model.object import Source, member_source
from penstock.model.serialization import from_json
from penstock.model.span import Entry, Span, Stored
from penstock.routes import Routes, destination_of, parse_routes
from penstock.testing import (
    ManualDeadline,
    MemoryExecutionStore,
    MemoryJobStore,
    MemoryObjectStore,
    MemoryPartStore,
)

LARGEST_MEMORY, MEMORY = 10_240 * MIB, 1769 * MIB
WORKERS = 40
WINDOW = bytes(32 * 1024)
FILES = '[[route]]\nname = "files"\nmatch = ["in/*"]\ndestination = "s3://destination/{key}"\n'


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """The work bucket as a folder, so that it is no part of the memory. Implements ``WorkFiles``."""

    folder: Path
    bucket: str = "work"

    def read(self, key: str) -> bytes | None:
        file = self.folder / key
        return file.read_bytes() if file.exists() else None

    def read_part(self, stored: Stored) -> bytes:
        with (self.folder / stored.key).open("rb") as file:
            file.seek(stored.start)
            return file.read(stored.size)

    def write(self, key: str, data: bytes) -> None:
        file = self.folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def write_once(self, key: str, data: bytes) -> bytes:
        if (found := self.read(key)) is not None:
            return found
        self.write(key, data)
        return data


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan. ``peak``: the largest resident set of the process, ``before`` the plan and after it. Sizes in bytes."""

    following: str
    units: int
    manifest: int
    longest: int
    batches: int
    part: int
    parts: int
    largest: int
    before: int
    peak: int
    seconds: float

    def check(self) -> None:
        """Raises ValueError where a limit does not hold."""
        for what, used, limit in (
            ("parts", self.parts, S3.max_parts),
            ("bytes of a part", self.part, S3.max_part),
            ("children of a Map", self.units, MAX_SPANS),
            ("bytes of a manifest", self.manifest, MANIFEST_BYTES),
            ("bytes of an item", self.longest, PAYLOAD),
        ):
            if used > limit:
                raise ValueError(f"{what}: {used:,} of {limit:,}")


@dataclass(slots=True)
class Plan:
    """One run of the planner: the object, the routes, the memory of the function."""

    objects: SparseObjects
    files: FolderFiles
    routes: Routes
    memory: int
    executions: MemoryExecutionStore = field(init=False)
    jobs: MemoryJobStore = field(default_factory=lambda: MemoryJobStore(time.time))

    def __post_init__(self) -> None:
        self.executions = MemoryExecutionStore(self.jobs)

    @property
    def budget(self) -> Budget:
        return Budget.of(self.memory)

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.budget, self.memory, WORKERS)

    def index(self, source: Source, codec: str, decoded: int) -> None:
        """Write the index that a pass would have made, with windows of zeros."""
        index = index_of(self.files, source, codec, self.sizes)
        names: list[str] = []
        places = list(range(0, decoded, index.spacing))
        for first in range(0, len(places), SEGMENT):
            entries = [
                (Entry(place, place // RATIO, raw=True), WINDOW if place else b"")
                for place in places[first : first + SEGMENT]
            ]
            names.append(f"segment-{places[first]:016x}-{len(entries)}")
            self.files.write(index.key(names[-1]), pack(entries))
        index.write(IndexState(tuple(names), len(places), done=True, total=decoded, crc32=1))

    def run(self, source: Source) -> Planned:
        opened = MemberObjects(self.objects, self.budget)
        route = self.routes.route_of(source)
        if route is None:
            raise ValueError(f"no route takes {source.uri}")
        job = Job(source, route, destination_of(route, source))
        claim = self.jobs.claim(job, lease=900.0)
        if not isinstance(claim, Claim):
            raise TypeError(claim)
        self.executions.hand_over(claim, job.id, lease=900.0)
        head = self.objects.head(source.bucket, source.key)
        if head is None:
            raise ValueError(source.uri)
        folder = JobFolder(self.files, job.id)
        folder.put(JOB_SPEC, JobSpec(job, head))
        planner = Planner(
            opened,
            self.files,
            self.executions,
            MemoryPartStore(MemoryObjectStore("source", "destination")),
            _no_tables,
            MemberPlanner(ArchiveReader(opened, self.budget), lambda: self.routes, self.sizes, 10.0),
            lambda: self.routes,
            self.sizes,
            10.0,
            lambda *_: None,
        )
        before, began = _peak(), time.process_time()
        following = planner(job.id, job.id, ManualDeadline(900.0))["next"]
        seconds, peak = time.process_time() - began, _peak()
        return _planned(folder, str(following), before, peak, seconds)


def _planned(folder: JobFolder, following: str, before: int, peak: int, seconds: float) -> Planned:
    lines = folder.need(MANIFEST).splitlines()
    plan = folder.get_plan()
    part = parts = largest = batches = 0
    if isinstance(plan, ObjectSpans):
        spans = [from_json(Span, line) for line in lines]
        part, largest = spans[0].part_size, max(span.size for span in spans)
        parts = sum(-(-span.size // part) for span in spans)
    if isinstance(plan, MemberBatches) and isinstance(folder.files, FolderFiles):
        batches = sum(file.stat().st_size for file in folder.files.folder.glob(f"{folder.key('batches')}/*"))
    longest = max(map(len, lines))
    return Planned(
        following, len(lines), sum(map(len, lines)), longest, batches, part, parts, largest, before, peak, seconds
    )


def _no_tables(*_: object) -> str:
    raise NotImplementedError


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def of_plain(folder: Path) -> Planned:
    objects = plain(folder, S3.max_object)
    return _files(folder, objects).run(objects.source)


def of_gzip(folder: Path) -> Planned:
    objects = gzipped(folder, S3.max_object // RATIO)
    plan = _files(folder, objects)
    plan.index(objects.source, "gzip", S3.max_object)
    return plan.run(objects.source)


def of_zip(folder: Path) -> Planned:
    objects = zip_of_one(folder, S3.max_object // RATIO, S3.max_object)
    plan = _files(folder, objects)
    opened = MemberObjects(objects, plan.budget).open_archive(objects.source)
    entries = opened.archive.entries
    if entries is None:
        raise TypeError(opened.archive.name)
    (member,) = entries(opened.ranges)
    source = member_source(objects.source, member)  # type: ignore[arg-type]  # not skipped
    plan.index(source, "deflate", S3.max_object)
    return plan.run(source)


def of_members(folder: Path, members: int = STATED) -> Planned:
    objects = zip_of_many(folder, members, SIZE)
    return Plan(objects, FolderFiles(folder), parse_routes(ROUTES, "routes.toml", NAMES), MEMORY).run(objects.source)


def _files(folder: Path, objects: SparseObjects) -> Plan:
    routes = parse_routes(FILES, "routes.toml", {"source_bucket": "source"})
    return Plan(objects, FolderFiles(folder), routes, LARGEST_MEMORY)


PLANS: Mapping[str, Callable[[Path], Planned]] = {
    "48.8 TiB, plain": of_plain,
    "48.8 TiB in one gzip member": of_gzip,
    "48.8 TiB in one Deflate member of a zip": of_zip,
    f"a zip of {STATED:,} members": of_members,
}


def measured(name: str) -> Planned:
    """Run a plan in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale.planned", name]
    return Planned(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def planned() -> Mapping[str, Planned]:
    """Run all plans, and check their limits."""
    plans = {name: measured(name) for name in PLANS}
    for plan in plans.values():
        plan.check()
    return plans


def listing_memory(seconds: float) -> int:
    """The memory in MB of the smallest function that can plan in one invocation, by its CPU."""
    return math.ceil(VCPU / MIB * seconds / INVOCATION_SECONDS)


def plan_table(plans: Mapping[str, Planned]) -> list[str]:
    lines = [
        (
            "| source | next step | spans, batches | manifest, KB | longest item, bytes | parts | largest span, MiB "
            "| files of entries, MB | peak, MiB | CPU, s |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, plan in plans.items():
        parts = f"{plan.parts:,} x {plan.part // MIB:,} MiB" if plan.parts else "-"
        largest, batches = plan.largest / MIB, plan.batches / 1e6
        lines.append(
            f"| {name} | {plan.following} | {plan.units:,} | {plan.manifest / 1e3:,.0f} | {plan.longest} | {parts} "
            f"| {figure(largest) if largest else '-'} | {figure(batches) if batches else '-'} "
            f"| {plan.peak / MIB:,.0f} ({plan.before / MIB:,.0f}) | {plan.seconds:.1f} |"
        )
    return lines


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(asdict(PLANS[sys.argv[1]](Path(made)))))
