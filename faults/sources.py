"""What is uploaded, and what the destination must then contain: bytes or rows."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Literal

import pyzipper

from faults.after_kinds import AfterPlan, after_plans
from faults.routes import ARCHIVE_PASSWORD
from penstock.limits import KIB, MIB

Mode = Literal["append", "upsert", "replace"]
Row = tuple[int, str]

# The buckets that functions read: the first keeps versions.
SOURCE, PLAIN = "drops", "plain-drops"

# A small load into PostgreSQL sends some 50 messages, one after the other.
CHATTY = 0.25
# One record of this many cannot be loaded.
BAD = 300


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job. ``files`` are names and contents; ``large``: the state machine does it.

    ``content`` is the expected object. ``rows`` are the expected rows of the table, from this many ``records``;
    ``rejects`` are the numbers of the rejected records. ``members`` are the expected objects of an
    archive, ``children`` of them with a job of their own. ``settings`` go into the environment. ``rate_factor`` scales
    the drawn rate: an attempt with many requests would otherwise seldom succeed. ``after`` is what becomes of the
    objects in ``bucket`` when their jobs have ended. ``listed``: they come by events and by a backfill, some again;
    ``files`` are the newest uploads (see `listed_run`). ``table_bucket``: its Iceberg table is in S3 Tables.
    """

    name: str
    store: str
    files: Callable[[], Mapping[str, bytes]]
    large: bool = False
    mode: Mode = "append"
    content: Callable[[], bytes] = bytes
    records: int = 0
    rows: Sequence[Row] = ()
    rejects: Sequence[int] = ()
    members: Callable[[], Mapping[str, bytes]] = dict
    children: int = 0
    settings: Mapping[str, int] = field(default_factory=dict)
    rate_factor: float = 1.0
    bucket: str = SOURCE
    after: AfterPlan | None = None
    listed: bool = False
    table_bucket: bool = False


# The kinds that a backfill sends, too, from buckets with and without versions.
LISTED = (
    "gzip",
    "large-gzip",
    "group",
    *(f"{n}{mode}" for n in ("", "large-") for mode in ("append", "upsert", "replace", "dynamodb")),
)


def kinds() -> Mapping[str, JobKind]:
    """All kinds of jobs."""
    from faults.iceberg_kinds import iceberg_kinds  # noqa: PLC0415  # it needs this module

    found = [*_buckets(), *_tables(), _group(), _archive(), _large_zip(), *_archives(), *_swaps(), *_encrypted()]
    found += iceberg_kinds()
    listed = [replace(kind, name=f"listed-{kind.name}", listed=True) for kind in found if kind.name in LISTED]
    listed += [replace(kind, name=f"{kind.name}-plain", bucket=PLAIN) for kind in listed]
    return {kind.name: kind for kind in [*found, *_after(), *listed]}


def _after() -> list[JobKind]:
    """Objects that are tagged, moved or deleted when their jobs have ended, with and without versions."""
    found = []
    for plan in after_plans():
        content = cache(lambda: text(40 * KIB))
        files = cache(lambda name=plan.name: {f"{name}-a.csv.gz": in_blocks(text(40 * KIB), 8 * KIB)})
        kind = JobKind(f"{plan.name}", "bucket", files, content=content, after=plan)
        found += [kind, replace(kind, name=f"{plan.name}-plain", bucket=PLAIN)]
    move = next(plan for plan in after_plans() if plan.name == "after-move")
    large = cache(lambda: {"after-move-a.csv": text(2 * MIB)})
    found.append(
        JobKind(
            "large-after-move",
            "bucket",
            large,
            large=True,
            content=lambda: text(2 * MIB),
            settings=sizes(1, MIB),
            after=move,
        )
    )
    # As if S3 copied no more than 5 MiB at once.
    in_parts = JobKind(
        "after-copy-plain",
        "bucket",
        cache(lambda: {"after-move-a.csv": text(12 * MIB)}),
        content=lambda: text(12 * MIB),
        settings={"PENSTOCK_COPY_BYTES": 5 * MIB},
        bucket=PLAIN,
        after=move,
    )
    found += [in_parts, replace(in_parts, name="after-copy", bucket=SOURCE)]
    members = cache(lambda: {f"{n}.txt": text(KIB + n) for n in range(3)})
    packed = cache(lambda: {"archive-after.zip": zip_of(members())})
    found.append(JobKind("zip-after-move", "archive", packed, members=members, after=move))
    group = _group()
    few = {name.replace("append", "after-append"): data for name, data in list(group.files().items())[:10]}
    rows = [row for row in group.rows if row[0] < 10 * 40]  # 40 in each file
    rejects = [n % 40 + 1 for n in range(400) if is_bad(n)]
    moved = replace(group, name="group-after-move", after=move, files=lambda: few)
    return [*found, replace(moved, rows=rows, records=len(rows), rejects=rejects)]


def _buckets() -> list[JobKind]:
    def kind(name: str, file: str, content: Callable[[], bytes], pack: Callable[[bytes], bytes]) -> JobKind:
        packed = cache(lambda: {file: pack(content())})
        large = name.startswith("large")
        return JobKind(name, "bucket", packed, large=large, content=content, settings=sizes(1 if large else 0, MIB))

    return [
        kind("gzip", "bucket-a.csv.gz", lambda: text(300 * KIB), in_blocks),
        kind("plain", "bucket-a.csv", lambda: text(200 * KIB), bytes),
        kind("members", "bucket-a.csv.gz", lambda: text(12 * MIB), in_members),
        kind("large-gzip", "bucket-a.csv.gz", lambda: text(20 * MIB), in_blocks),
        kind("large-members", "bucket-a.csv.gz", lambda: text(20 * MIB), in_members),
        kind("large-plain", "bucket-a.csv", lambda: text(17 * MIB), bytes),
        kind("large-whole", "bucket-a.csv.xz", lambda: text(9 * MIB), lambda data: lzma.compress(data, preset=0)),
        kind("large-xz", "bucket-a.csv.xz", lambda: text(2 * MIB), lambda data: lzma.compress(data, preset=0)),
    ]


def _tables() -> list[JobKind]:
    found = []
    for large in (False, True):
        count = 20_000
        for mode in ("append", "upsert", "replace"):
            zipped = large and mode != "append"
            found.append(_table("postgresql", mode, count, large=large, zipped=zipped))
        found.append(_table("dynamodb", "upsert", 900, large=large, zipped=large))
        found.append(_lake(6_000, large=large))
    return found


def _lake(count: int, *, large: bool) -> JobKind:
    """Rows for Parquet files, in three folders."""
    data = "".join(f'{"bad" if is_bad(n) else n},"{name_of(n)}",{n % 3}\n' for n in range(count)).encode()
    packed = cache(lambda: {"lake-a.csv.gz": in_blocks(b"id,name,part\n" + data, 2_000)})
    rows = [(n, name_of(n)) for n in range(count) if not is_bad(n)]
    rejects = [n + 1 for n in range(count) if is_bad(n)]
    name, settings = ("large-lake", sizes(1, 64 * KIB)) if large else ("lake", {})
    return JobKind(name, "parquet", packed, large, records=len(rows), rows=rows, rejects=rejects, settings=settings)


def _table(store: str, mode: Mode, count: int, *, large: bool, zipped: bool) -> JobKind:
    short = "dynamodb" if store == "dynamodb" else mode
    # In an upsert the last row of a key wins.
    ids = count // 3 if mode == "upsert" else count
    good = [(n % ids, name_of(n)) for n in range(count) if not is_bad(n)]
    data = csv(range(count), ids, store)
    span = 8 * KIB if store == "dynamodb" else 128 * KIB
    return JobKind(
        ("large-" if large else "") + short,
        store,
        cache(lambda: {f"{short}-a.csv.gz": in_blocks(data, 2_000)} if zipped else {f"{short}-a.csv": data}),
        large=large,
        mode=mode,
        records=len(good),
        rows=sorted(dict(good).items()),
        rejects=[n + 1 for n in range(count) if is_bad(n)],
        settings=sizes(1, span) if large else {},
        rate_factor=CHATTY if store == "postgresql" and not large else 1.0,
    )


def _group() -> JobKind:
    """Many small files that share transactions, some with a record that cannot be loaded."""
    each, count = 40, 30
    files = {
        f"append-{n:02}.csv": csv(range(n * each, (n + 1) * each), each * count, "postgresql") for n in range(count)
    }
    good = [(n, name_of(n)) for n in range(each * count) if not is_bad(n)]
    bad = [n % each + 1 for n in range(each * count) if is_bad(n)]
    return JobKind(
        "group", "postgresql", lambda: files, records=len(good), rows=good, rejects=sorted(bad), rate_factor=CHATTY
    )


def _archive() -> JobKind:
    """Small members, and a large one that is cut into spans."""
    members = cache(lambda: {f"{n}.txt": text(n) for n in range(1, 13)} | {"large.txt": text(2 * MIB)})
    return JobKind(
        "large-archive",
        "archive",
        cache(lambda: {"archive-a.tar": tar(members())}),
        large=True,
        members=members,
        children=1,
        settings=sizes(MIB, MIB),
    )


def _large_zip() -> JobKind:
    """Small members, and two large compressed ones that are cut into spans: for a bucket, and for a table."""
    count = 70_000
    members = cache(lambda: {f"{n}.txt": text(n) for n in range(1, 5)} | {"large.bin": text(17 * MIB)})
    rows = [(n, f"name {n}") for n in range(count)]
    table = cache(lambda: "".join(["id,name\n", *(f"{n},{name}\n" for n, name in rows)]).encode())
    return JobKind(
        "large-zip",
        "archive",
        cache(lambda: {"archive-a.zip": zip_of(members() | {"large.csv": table()})}),
        large=True,
        members=members,
        records=count,
        rows=rows,
        children=2,
        settings=sizes(MIB, MIB // 2),
        rate_factor=CHATTY,
    )


def _encrypted() -> list[JobKind]:
    """Encrypted members, which are read in order."""
    files = cache(lambda: {f"{n}.txt": text(n) for n in range(1, 13)} | {"large.bin": text(2 * MIB)})
    packed = cache(lambda: {"archive-encrypted.zip": encrypted_zip_of(files())})
    small = JobKind("encrypted", "archive", packed, members=files)
    large = replace(small, name="large-encrypted", large=True, children=1, settings=sizes(MIB, MIB))
    return [small, large]


def encrypted_zip_of(files: Mapping[str, bytes]) -> bytes:
    """A zip of stored members, in WinZip AES."""
    stream = io.BytesIO()
    with pyzipper.AESZipFile(stream, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(ARCHIVE_PASSWORD.encode())
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tar(members: Mapping[str, bytes]) -> bytes:
    """A tar archive of these members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def _archives() -> list[JobKind]:
    """Small members for a bucket, a large one, and two for a table.

    In a large archive, the large member has a job of its own. In a small one, it has a multipart upload.
    """
    count = 400
    small = {f"{n:02}.txt": text(2 * KIB + n) for n in range(20)}
    tables = {
        f"{n}.csv": "".join(["id,name\n", *(f"{i},name {i}\n" for i in range(n * count, (n + 1) * count))]).encode()
        for n in range(2)
    }
    rows = [(n, f"name {n}") for n in range(2 * count)]

    def kind(name: str, file: str, pack: Callable[[Mapping[str, bytes]], bytes]) -> JobKind:
        large = name.startswith("large")
        files = small | {"large.bin": text(3 * MIB if large else 17 * MIB)}
        return JobKind(
            name,
            "archive",
            cache(lambda: {file: pack(files | tables)}),
            large=large,
            members=lambda: files,
            children=int(large),
            records=len(rows),
            rows=rows,
            settings=sizes(MIB, MIB) if large else {},
            rate_factor=1.0 if large else CHATTY,
        )

    return [
        kind("zip", "archive-a.zip", zip_of),
        kind("tar-gzip", "archive-a.tar.gz", tar_gzip_of),
        kind("large-tar-gzip", "archive-a.tar.gz", tar_gzip_of),
    ]


def _swaps() -> list[JobKind]:
    """Members that replace a table together, and one for a bucket: in one invocation, and in batches."""

    def kind(name: str, file: str, count: int, pack: Callable[[Mapping[str, bytes]], bytes]) -> JobKind:
        files = {"a.txt": text(KIB)}
        ids = [range(n * count, (n + 1) * count) for n in range(4)]
        tables = {
            f"{n}.csv": "".join(["id,name\n", *(f"{i},name {i}\n" for i in part)]).encode()
            for n, part in enumerate(ids)
        }
        rows = [(n, f"name {n}") for n in range(4 * count)]
        large = name.startswith("large")
        return JobKind(
            name,
            "archive",
            cache(lambda: {file: pack(files | tables)}),
            large=large,
            mode="replace",
            members=lambda: files,
            records=len(rows),
            rows=rows,
            settings=sizes(64 * KIB, MIB) if large else {},
            rate_factor=CHATTY,
        )

    return [
        kind("zip-replace", "archive-swap.zip", 300, zip_of),
        kind("large-tar-replace", "archive-swap.tar", 1_500, tar),
    ]


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """A zip of deflated members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tar_gzip_of(files: Mapping[str, bytes]) -> bytes:
    """A compressed tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def sizes(large: int, span: int) -> dict[str, int]:
    """Settings: jobs of more than ``large`` bytes are large, and their spans have ``span`` bytes."""
    return {"PENSTOCK_LARGE_BYTES": large, "PENSTOCK_SPAN_BYTES": span, "PENSTOCK_INDEX_SPACING": span // 4}


def is_bad(n: int) -> bool:
    """Whether a record cannot be loaded."""
    return n % BAD == BAD - 1


def name_of(n: int) -> str:
    """Some names span two lines, so that records and lines differ."""
    return f"name\n{n}" if n % 7 == 0 else f"name {n}"


def csv(numbers: range, ids: int, store: str) -> bytes:
    """Records of an id (``ids`` different ones) and a name; for DynamoDB also a number."""
    dynamo = store == "dynamodb"
    lines = ["id,name,n\n" if dynamo else "id,name\n"]
    for n in numbers:
        if dynamo:
            lines.append(f'{n % ids:06},"{name_of(n)}",{"many" if is_bad(n) else n}\n')
        else:
            lines.append(f'{"none" if is_bad(n) else n % ids},"{name_of(n)}"\n')
    return "".join(lines).encode()


@cache
def text(size: int) -> bytes:
    """Repeated lines that do not compress too well."""
    random = Random(7)
    block = b"".join(b"%d,%d,some text\n" % (n, random.getrandbits(60)) for n in range(4_000))
    pieces = [b"%d\n" % n + block for n in range(size // len(block) + 1)]
    return b"".join(pieces)[:size]


def in_blocks(data: bytes, block: int = 128 * KIB) -> bytes:
    """A gzip member that can be entered every ``block`` bytes of content."""
    deflater = zlib.compressobj(1, zlib.DEFLATED, 31)
    starts = range(0, len(data), block)
    blocks = (deflater.compress(data[at : at + block]) + deflater.flush(zlib.Z_SYNC_FLUSH) for at in starts)
    return b"".join(blocks) + deflater.flush()


def in_members(data: bytes, size: int = 256 * KIB) -> bytes:
    """Gzip members of ``size`` bytes of content."""
    return b"".join(in_blocks(data[at : at + size]) for at in range(0, len(data), size))
