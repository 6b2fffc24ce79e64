"""Table routes through the real handler in the real runtime client, in the smallest function."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from lengths import IS_LONG, long
from penstock_local import postgres
from penstock_local.account import emulator_only
from penstock_local.runtime import Invocation
from penstock_local.runtime.environment import IngestEnvironment

MIB = 1024 * 1024
ROWS = 500_000 if IS_LONG else 150_000
ROUTE = """
[[route]]
name = "trips"
match = "*.csv"
destination = "postgresql:trips"
[route.table]
create = true
mode = "{mode}"
key = ["id"]
columns = [
    {{ name = "id", type = "integer", nullable = false }},
    {{ name = "city" }},
    {{ name = "started", type = "timestamp" }},
    {{ name = "distance", type = "numeric" }},
    {{ name = "paid", type = "boolean" }},
    {{ name = "note" }},
]
"""


@pytest.fixture(scope="module")
def csv() -> bytes:
    """61 MB in the long form, 18 in the short one."""
    lines = ["id,city,started,distance,paid,note"]
    pad = "a note that makes the row as long as rows are, with a comma now and then"
    for n in range(ROWS):
        started = f"2026-0{1 + n % 9}-1{n % 9} 0{n % 9}:1{n % 6}:00"
        paid = "true" if n % 3 else "false"
        lines.append(f'{n},City {n % 977},{started},{n % 1000}.{n % 100:02d},{paid},"{pad}"')
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres.running(tmp_path_factory.mktemp("postgres")) as dsn:
        yield dsn


@pytest.fixture
def ingest_environment() -> Iterator[IngestEnvironment]:
    with emulator_only() as account:
        yield IngestEnvironment(account)


def environment(tmp_path: Path, dsn: str, mode: str) -> dict[str, str]:
    routes = tmp_path / "routes.toml"
    routes.write_text(ROUTE.format(mode=mode))
    return {
        "PENSTOCK_ROUTES_URI": str(routes),
        "PENSTOCK_POSTGRES_DSN": dsn,
        "PENSTOCK_LEASE_SECONDS": "2",
        "PENSTOCK_BEAT_SECONDS": "0.5",
    }


def outcome_of(invocation: Invocation) -> dict[str, object]:
    assert invocation.ok, f"{invocation.error_type}: {invocation.error_message}\n{invocation.log}"
    (job,) = invocation.payload["jobs"]
    return dict(job)


def content(dsn: str) -> tuple[object, ...]:
    with psycopg.connect(dsn) as database:
        found = database.execute("SELECT count(*), count(DISTINCT id), sum(id), sum(distance) FROM trips").fetchone()
    assert found
    return found


def expected() -> tuple[object, ...]:
    distances = sum((Decimal(f"{n % 1000}.{n % 100:02d}") for n in range(ROWS)), Decimal(0))
    return ROWS, ROWS, ROWS * (ROWS - 1) // 2, distances


@pytest.mark.long
def test_500_000_rows_need_at_most_128_mb(
    ingest_environment: IngestEnvironment, csv: bytes, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload = ingest_environment.upload("trips.csv", csv)
    with ingest_environment.ingest(memory=128, vcpus=1.0, env=environment(tmp_path, dsn, "replace")) as function:
        done = function.invoke(upload.event())
    job = outcome_of(done)
    peak, resident = done.peak_bytes / MIB, done.rss_peak_bytes / MIB
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(csv) / 1e6:.0f} MB CSV into PostgreSQL at 128 MB ({done.enforced_by}): peak {peak:.0f} MiB, "
            f"{resident:.0f} resident, {done.cpu_seconds:.1f} s CPU, {done.seconds:.1f} s\n"
        )
    assert (job["state"], job["rows"], job["rejects"]) == ("succeeded", ROWS, 0)
    assert content(dsn) == expected()
    assert max(done.peak_bytes, done.rss_peak_bytes) < 128 * MIB


@pytest.mark.parametrize("mode", ["append", long("upsert"), long("replace")])
@pytest.mark.long
def test_a_killed_load_is_resumed_with_every_row_exactly_once(
    ingest_environment: IngestEnvironment, csv: bytes, dsn: str, tmp_path: Path, mode: str
) -> None:
    with psycopg.connect(dsn, autocommit=True) as database:
        database.execute("DROP TABLE IF EXISTS trips")
    event = ingest_environment.upload(f"{mode}.csv", csv).event()
    draw = random.Random(mode)
    with ingest_environment.ingest(memory=512, vcpus=1.0, env=environment(tmp_path, dsn, mode)) as function:
        kills = 0
        invocation = None
        while invocation is None or not invocation.ok:
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(function.invoke, event)
                if kills < 3:
                    try:
                        invocation = running.result(timeout=draw.uniform(0.4, 1.2))
                    except TimeoutError:
                        function.kill()
                        kills += 1
                        invocation = running.result()
                else:
                    invocation = running.result()
            assert invocation.ok or invocation.killed or invocation.error_type == "JobInProgressError"
    job = outcome_of(invocation)
    assert kills > 0
    assert job["state"] == "succeeded"
    assert content(dsn) == expected()


# Small files that share transactions, the largest that may, and files that are loaded alone: 74 MB in 940 files.
BURST = {600: 2_000, 300: 120_000, 40: 1_000_000}


def burst(number: int, size: int) -> bytes:
    """``size`` bytes of rows, whose ids start at 1,000 times the number."""
    lines = "".join(f"{number * 1000 + row},{'x' * 980},,,,\n" for row in range(max(1, size // 1000)))
    return f"id,city,started,distance,paid,note\n{lines}".encode()


@pytest.mark.long
def test_a_burst_of_small_files_needs_at_most_128_mb(
    ingest_environment: IngestEnvironment, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = [size for count, size in BURST.items() for _ in range(count)]
    random.Random(7).shuffle(sizes)
    uploads = [ingest_environment.upload(f"{number}.csv", burst(number, size)) for number, size in enumerate(sizes)]
    event = {"Records": [record for upload in uploads for record in upload.event()["Records"]]}
    with psycopg.connect(dsn, autocommit=True) as database:
        database.execute("DROP TABLE IF EXISTS trips, penstock_ledger")
    with ingest_environment.ingest(memory=128, vcpus=1.0, env=environment(tmp_path, dsn, "append")) as function:
        done = function.invoke(event)
    assert done.ok, f"{done.error_type}: {done.error_message}\n{done.log}"
    peak, resident = done.peak_bytes / MIB, done.rss_peak_bytes / MIB
    sent = sum(upload.size for upload in uploads) / 1e6
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(uploads)} files, together {sent:.0f} MB, into PostgreSQL at 128 MB "
            f"({done.enforced_by}): peak {peak:.0f} MiB, {resident:.0f} resident, {done.cpu_seconds:.1f} s CPU, "
            f"{done.seconds:.1f} s\n"
        )
    assert {(job["state"], job["rejects"]) for job in done.payload["jobs"]} == {("succeeded", 0)}
    ids = [number * 1000 + row for number, size in enumerate(sizes) for row in range(size // 1000)]
    assert content(dsn)[:3] == (len(ids), len(ids), sum(ids))
    assert max(done.peak_bytes, done.rss_peak_bytes) < 128 * MIB
