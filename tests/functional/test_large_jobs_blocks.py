"""Large jobs on BGZF, zstd and xz: cut at their units and right, or delivered as one span, or refused."""

from __future__ import annotations

import random
import shutil
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.encoded import zstd_frame
from fixtures.units import BGZF_END, MAKERS, bgzf, bgzf_member, pieces_of, shifted, xz, xz_block, xz_stream
from lengths import examples
from machine import Plant
from penstock.limits import KIB, MIB, Budget
from penstock.model.job_status import JobState, JobStatus
from penstock.testing import ManualDeadline
from postgres_database import Database
from table_machine import route, table_plant

pytest_plugins = ["postgres_fixtures"]

ROUTES = """
[[route]]
name = "decompress"
match = "*"
destination = "s3://out/{stem}"
"""
RNG = random.Random(7)
DATA = RNG.randbytes(60_000)
MAKE = {"BGZF": bgzf} | {name: make for name, make in MAKERS.items() if "padded" not in name}


def key(maker: str) -> str:
    return "a.csv" + {"B": ".gz", "x": ".xz"}.get(maker[0], ".zst")


def published(plant: Plant) -> bytes | None:
    stored = plant.store.get("out", "a.csv")
    return stored.data if stored else None


def run(plant: Plant, name: str, data: bytes) -> JobStatus:
    status = plant.run(plant.upload(name, data))
    assert plant.store.uploads == {}
    return status


@pytest.mark.parametrize("piece", [900, 5_000], ids=["many entries a span", "an entry for every other span"])
@pytest.mark.parametrize("maker", MAKE)
def test_a_source_of_many_units_is_cut_and_put_together_again(maker: str, piece: int) -> None:
    plant = Plant(ROUTES)
    data = MAKE[maker](pieces_of(DATA, piece))
    status = run(plant, key(maker), data)
    assert status.state is JobState.SUCCEEDED, status
    assert published(plant) == DATA
    assert (status.progress.bytes_in, status.progress.bytes_out) == (len(data), len(DATA))
    assert status.crc32 == f"{zlib.crc32(DATA):08x}"
    assert status.spans == status.spans_done == plant.calls.count("work") == 5


@pytest.mark.parametrize("maker", MAKE)
def test_no_span_decodes_what_another_one_has_decoded_where_units_are_larger_than_spans(maker: str) -> None:
    plant = Plant(ROUTES, span_bytes=4 * KIB)
    run(plant, key(maker), MAKE[maker](pieces_of(DATA, 20_000)))
    assert published(plant) == DATA
    assert plant.calls.count("work") == 3


@pytest.mark.parametrize(
    ("command", "suffix"),
    [("bgzip -@2 a.csv", "gz"), ("pzstd -1 -p2 -q a.csv", "zst"), ("xz -T2 -0 --block-size=256KiB a.csv", "xz")],
)
def test_what_the_tools_themselves_write_is_cut_as_well(tmp_path: Path, command: str, suffix: str) -> None:
    tool, *_ = words = command.split()
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    text = DATA.hex().encode() * 120
    (tmp_path / "a.csv").write_bytes(text)
    subprocess.run(words, cwd=tmp_path, check=True, timeout=60)
    budget = Budget.of(128 * MIB)
    plant = Plant(ROUTES, span_bytes=3 * MIB, part_bytes=512 * KIB, spacing=128 * KIB, budget=budget)
    status = run(plant, f"a.csv.{suffix}", (tmp_path / f"a.csv.{suffix}").read_bytes())
    assert status.state is JobState.SUCCEEDED
    assert published(plant) == text
    assert plant.calls.count("work") > 1


@pytest.mark.parametrize("maker", ["zstd", "zstd, sizes unknown", "xz, one stream"])
def test_a_source_of_one_unit_is_one_span(maker: str) -> None:
    plant = Plant(ROUTES)
    status = run(plant, key(maker), MAKE[maker]([DATA]))
    assert status.state is JobState.SUCCEEDED
    assert published(plant) == DATA
    assert plant.calls == ["plan", "index", "plan", "work", "finish"]


@pytest.mark.parametrize("maker", ["BGZF", "zstd", "pzstd"])
def test_the_index_resumes_where_time_ran_out(maker: str) -> None:
    stretches = [ManualDeadline(20.0, per_look=1.0) for _ in range(100)]
    data = MAKE[maker](pieces_of(DATA, 1_500))
    plant = Plant(ROUTES)
    plant.fail = lambda step: setattr(
        plant, "deadlines", stretches.pop if step == "index" else lambda: ManualDeadline(900.0)
    )
    run(plant, key(maker), data)
    assert published(plant) == DATA
    assert plant.calls.count("index") > 2


def test_only_the_end_of_xz_is_read_by_the_pass() -> None:
    plant = Plant(ROUTES)
    plant.deadlines = lambda: ManualDeadline(11.0)
    assert run(plant, "a.csv.xz", xz(pieces_of(DATA, 900))).state is JobState.SUCCEEDED
    assert plant.calls.count("index") == 1


def test_appended_garbage_is_ignored_with_a_warning_as_by_ingest() -> None:
    plant = Plant(ROUTES)
    status = run(plant, "a.csv.xz", xz(pieces_of(DATA, 900)) + b"garbage")
    assert published(plant) == DATA
    assert status.state is JobState.SUCCEEDED
    assert plant.calls.count("work") == 1


def truncated(maker: str) -> bytes:
    return MAKE[maker](pieces_of(DATA, 900))[:-40]


def damaged(maker: str) -> bytes:
    data = bytearray(MAKE[maker](pieces_of(DATA, 900)))
    data[len(data) // 2 : len(data) // 2 + 4] = b"\xff\x00\xff\x00"
    return bytes(data)


@pytest.mark.parametrize("spoil", [truncated, damaged])
@pytest.mark.parametrize("maker", [name for name in MAKE if "no check" not in name and "unchecked" not in name])
def test_a_damaged_source_fails_with_its_offset_and_publishes_nothing(
    maker: str, spoil: Callable[[str], bytes]
) -> None:
    plant = Plant(ROUTES)
    status = run(plant, key(maker), spoil(maker))
    assert (status.state, published(plant)) == (JobState.FAILED, None)
    assert status.failure
    assert "(at byte " in status.failure.message


BLOCKS = [xz_block(piece) for piece in pieces_of(DATA[:24_000], 3_000) + pieces_of(DATA[24_000:], 4_000)]


def frames_that_lie() -> bytes:
    """The second frame declares one block less than it has."""
    frame = bytearray(zstd_frame(bytes(200_000)))
    assert frame[5:9] == (200_000).to_bytes(4, "little")
    frame[5:9] = (131_072).to_bytes(4, "little")
    return zstd_frame(DATA[:4_096]) + bytes(frame) + zstd_frame(DATA)


def members_that_lie(change: Callable[[bytes], bytes]) -> bytes:
    members = [bgzf_member(piece) for piece in pieces_of(DATA, 900)]
    return b"".join(members[:13]) + change(members[13]) + b"".join(members[14:]) + BGZF_END


LIES = {
    "xz: content that is to lie further on": ("xz", xz_stream(BLOCKS, listed=shifted(BLOCKS, 1, 6, 1_000))),
    "xz: content that is to lie further back": ("xz", xz_stream(BLOCKS, listed=shifted(BLOCKS, 1, 6, -1_000))),
    "xz: a size too large": ("xz", xz_stream(BLOCKS, listed=[replace(BLOCKS[0], size=4_000), *BLOCKS[1:]])),
    "xz: a size too small": ("xz", xz_stream(BLOCKS, listed=[*BLOCKS[:-1], replace(BLOCKS[-1], size=9)])),
    "xz: a size beyond all measure": (
        "xz",
        xz_stream(BLOCKS, listed=[*BLOCKS[:-1], replace(BLOCKS[-1], size=1 << 62)]),
    ),
    "zstd: a size too small": ("zst", frames_that_lie()),
    "BGZF: a size too small": ("gz", members_that_lie(lambda member: member[:-4] + bytes([9, 0, 0, 0]))),
    "BGZF: another checksum": ("gz", members_that_lie(lambda member: member[:-8] + b"abcd" + member[-4:])),
}


@pytest.mark.parametrize(("suffix", "data"), LIES.values(), ids=LIES)
def test_a_source_that_lies_about_its_sizes_fails_and_publishes_nothing(suffix: str, data: bytes) -> None:
    plant = Plant(ROUTES)
    status = run(plant, f"a.csv.{suffix}", data)
    assert (status.state, published(plant)) == (JobState.FAILED, None)


NUMBERS = st.integers(0, len(BLOCKS) - 1)


@settings(max_examples=examples(60), deadline=None)
@given(
    lies=st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from([1, 1_000, 3_000, 4_000])), max_size=3),
    more=st.sampled_from([0, 0, 0, 1, 1 << 40]),
    span=st.sampled_from([4, 8, 12]),
)
def test_whatever_an_index_of_xz_says_nothing_wrong_is_published(
    lies: list[tuple[int, int, int]], more: int, span: int
) -> None:
    listed = list(BLOCKS)
    for one, other, by in lies:
        listed = shifted(listed, one, other, min(by, listed[other].size))
    listed[-1] = replace(listed[-1], size=listed[-1].size + more)
    plant = Plant(ROUTES, span_bytes=span * KIB)
    status = run(plant, "a.csv.xz", xz_stream(BLOCKS, listed=listed))
    assert published(plant) in (None, DATA)
    if listed == BLOCKS:
        assert status.state is JobState.SUCCEEDED


def rows(count: int) -> bytes:
    lines = [f'{n},"name\n{n}",2001-01-01\n' if n % 7 == 0 else f"{n},name {n},2001-01-01\n" for n in range(count)]
    return ("id,name,born\n" + "".join(lines)).encode()


@pytest.mark.parametrize("maker", ["BGZF", "zstd", "pzstd", "xz, one stream", "xz, a stream each"])
def test_several_spans_load_every_row_of_a_table_job_once(database: Database, maker: str) -> None:
    plant = table_plant(database, route())
    plant.fail = lambda step: setattr(
        plant, "deadlines", lambda: ManualDeadline(30.0 if step == "index" else 900.0, per_look=1.0 * (step == "index"))
    )
    status = plant.run(plant.upload(key(maker), MAKE[maker](pieces_of(rows(1_000), 700))))
    assert status.state is JobState.SUCCEEDED, status
    assert database.execute("SELECT id FROM people ORDER BY id") == [(n,) for n in range(1_000)]
    assert plant.calls.count("work") > 3
    assert plant.calls.count("index") > 1


@pytest.mark.parametrize("maker", ["zstd", "xz, one stream"])
def test_a_table_job_on_one_unit_is_one_span(database: Database, maker: str) -> None:
    plant = table_plant(database, route())
    status = plant.run(plant.upload(key(maker), MAKE[maker]([rows(1_000)])))
    assert status.state is JobState.SUCCEEDED
    assert database.execute("SELECT count(*) FROM people") == [(1_000,)]
    assert plant.calls.count("work") == 1
