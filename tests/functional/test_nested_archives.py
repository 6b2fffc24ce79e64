"""Archives within archives, in `ingest`: taken apart one level deep, if a route of their own says so."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import pytest

from archive_plant import (
    ARCHIVES,
    FILES,
    FLAT,
    NUMBERS,
    TABLES,
    Plant,
    Writer,
    failed,
    ids_in,
    people,
    succeeded,
    zip_of,
)
from fixtures.tars import QUINE, tar_of
from penstock.delivery import inner_archives, inner_reader
from penstock.destinations.ports import BucketSink
from penstock.errors import ServiceUnavailableError
from penstock.limits import MIB
from penstock.model.job_status import JobState
from penstock.model.object import Target
from penstock.testing import FaultyObjectStore, ManualDeadline
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

INNER = """
[[route]]
name = "inner"
match = ["in/*/*.zip", "in/*/*.tar", "in/*/*.tar.gz"]
archive = "members"
"""
CONTENTS = {"a.txt": b"a" * 5000, "b/c.bin": bytes(range(256)) * 300, "b/empty": b"", "z.log.gz": gzip.compress(b"x\n")}
AT_DESTINATION = CONTENTS | {"z.log.gz": b"x\n"}


def plain_tar(contents: Mapping[str, bytes]) -> bytes:
    return tar_of(dict(contents))


def packed_tar(contents: Mapping[str, bytes]) -> bytes:
    return gzip.compress(plain_tar(contents))


stored_zip = partial(zip_of, method=zipfile.ZIP_STORED)
OUTER: Mapping[str, Writer] = {"zip": zip_of, "stored.zip": stored_zip, "tar": plain_tar, "tar.gz": packed_tar}
WITHIN: Mapping[str, Writer] = {"i.zip": zip_of, "d/i.tar": plain_tar, "i.tar.gz": packed_tar}


def nested(outer: str, inner: str, contents: Mapping[str, bytes] = CONTENTS) -> bytes:
    return OUTER[outer]({"first.txt": b"first", inner: WITHIN[inner](contents), "last.txt": b"last" * 9})


def below(name: str, contents: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{name}/{member}": data for member, data in contents.items()}


def plant(more: str = FILES) -> Plant:
    return Plant(ARCHIVES + INNER + more)


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_every_member_of_an_inner_archive_goes_where_its_route_says(outer: str, inner: str) -> None:
    made = plant()
    outcome = succeeded(made.one(made.put(nested(outer, inner), f"in/a.{outer}")))
    assert made.lake() == {"first.txt": b"first", **below(inner, AT_DESTINATION), "last.txt": b"last" * 9}
    names = ["first.txt", *below(inner, CONTENTS), "last.txt"]
    assert [line["name"] for line in made.results(outcome)] == names
    assert [(line.get("within", 0), line["number"]) for line in made.results(outcome)] == [
        (0, 1), (2, 1), (2, 2), (2, 3), (2, 4), (0, 3),
    ]  # fmt: skip
    assert len({line["job_id"] for line in made.results(outcome)}) == len(names)
    assert not made.store.uploads


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_without_a_route_of_its_own_an_inner_archive_is_refused(outer: str, inner: str) -> None:
    made = Plant(ARCHIVES + FILES.replace('"in/*"', '"in/*.txt"'))
    outcome = made.one(made.put(nested(outer, inner), f"in/a.{outer}"))
    failed(outcome, "MembersFailedError", f"in/a.{outer}/{inner}: an archive within an archive is not taken apart")
    assert set(made.lake()) == {"first.txt", "last.txt"}


def test_a_route_may_deliver_an_inner_archive_as_a_file() -> None:
    made = Plant(ARCHIVES + FILES)
    data = nested("zip", "i.zip")
    succeeded(made.one(made.put(data)))
    assert made.lake()["i.zip"] == zip_of(CONTENTS)


def test_the_route_of_an_inner_archive_chooses_its_members() -> None:
    made = Plant(ARCHIVES + INNER + 'members = ["b/*"]\n' + FILES)
    outcome = succeeded(made.one(made.put(nested("zip", "i.zip"))))
    assert set(made.lake()) == {"first.txt", "i.zip/b/c.bin", "i.zip/b/empty", "last.txt"}
    (left_out, _) = [line for line in made.results(outcome) if line["state"] == "skipped"]
    assert (left_out["name"], left_out["reason"]) == ("i.zip/a.txt", "route 'inner' leaves it out")


def test_members_of_inner_archives_go_into_tables(database: Database) -> None:
    made = Plant(ARCHIVES + INNER + TABLES + NUMBERS, database)
    inner = {"people1.csv": people(1, 10), "people2.csv": people(11, 10)}
    data = zip_of(
        {"i.tar.gz": packed_tar(inner), "people.csv": people(21, 5), "i.zip": zip_of({"people.csv": people(26, 5)})}
    )
    succeeded(made.one(made.put(data)))
    assert ids_in(database) == list(range(1, 31))


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_two_members_with_one_destination_across_both_levels_are_refused(outer: str, inner: str) -> None:
    made = plant(FLAT)
    data = OUTER[outer]({"x/a.txt": b"1", inner: WITHIN[inner]({"y/a.txt": b"2"})})
    outcome = made.one(made.put(data, f"in/a.{outer}"))
    failed(
        outcome,
        "InvalidRouteError",
        f"members 'x/a.txt' and '{inner}/y/a.txt' would both be written to s3://lake/a.txt",
    )
    assert made.lake() == {}


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_a_damaged_inner_archive_fails_alone_and_as_a_whole(outer: str, inner: str) -> None:
    made = plant()
    whole = WITHIN[inner](CONTENTS)
    data = OUTER[outer]({"first.txt": b"1", inner: whole[: len(whole) * 2 // 3], "last.txt": b"2"})
    outcome = made.one(made.put(data, f"in/a.{outer}"))
    failed(outcome, "MembersFailedError", f"{inner}: s3://drops/in/a.{outer}/{inner}: ")
    assert made.lake() == {"first.txt": b"1", "last.txt": b"2"}
    (line,) = [line for line in made.results(outcome) if line["state"] == "failed"]
    assert (line["name"], line["number"], line["failure"]["error"]) == (inner, 2, "TruncatedSourceError")


@pytest.mark.parametrize("content", [b"no archive at all", gzip.compress(zip_of(CONTENTS))])
@pytest.mark.parametrize("outer", ["zip", "tar.gz"])
def test_what_only_has_the_name_of_an_archive_fails_by_name(outer: str, content: bytes) -> None:
    made = plant()
    outcome = made.one(made.put(OUTER[outer]({"i.zip": content}), f"in/a.{outer}"))
    failed(outcome, "MembersFailedError", f"s3://drops/in/a.{outer}/i.zip: ")


@pytest.mark.parametrize("outer", OUTER)
def test_the_own_name_of_an_inner_archive_decides_where_its_content_does_not(outer: str) -> None:
    """An empty tar is nothing but zeros, and a zip may follow a program that unpacks it."""
    made = plant()
    contents = {
        "empty.tar": bytes(1024),
        "empty.tar.gz": gzip.compress(bytes(1024)),
        "a.zip": b"MZ" + zip_of({"a": b"a"}),
    }
    succeeded(made.one(made.put(OUTER[outer](contents), f"in/a.{outer}")))
    assert made.lake() == {"a.zip/a": b"a"}


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_a_third_level_is_refused_by_name(outer: str, inner: str) -> None:
    made = plant()
    data = nested(outer, inner, {"a.txt": b"a", "third.zip": zip_of({"x": b"x"})})
    outcome = made.one(made.put(data, f"in/a.{outer}"))
    failed(
        outcome,
        "MembersFailedError",
        f"in/a.{outer}/{inner}/third.zip: member 'third.zip' of the inner archive '{inner}' is an archive itself, and "
        "archives are taken apart one level deep",
    )
    assert "at byte" in str(outcome.failure)
    assert f"{inner}/a.txt" in made.lake()
    assert f"{inner}/third.zip/x" not in made.lake()


def test_an_archive_that_contains_itself_ends_at_the_second_level() -> None:
    made = plant()
    outcome = made.one(made.put(QUINE.read_bytes(), "in/r.zip"))
    failed(
        outcome,
        "MembersFailedError",
        "s3://drops/in/r.zip/r/r.zip/r/r.zip: member 'r/r.zip' of the inner archive 'r/r.zip'",
    )
    assert made.lake() == {}


ZEROS = bytes(65 * MIB)


@pytest.mark.parametrize("outer", ["zip", "tar.gz"])
@pytest.mark.parametrize("inner", WITHIN)
@pytest.mark.long
def test_a_bomb_in_an_inner_archive_is_refused_before_anything_is_written(outer: str, inner: str) -> None:
    """Each level has a ratio of less than 250 for half of its bytes; both together have not."""
    made = plant()
    outcome = made.one(made.put(OUTER[outer]({inner: WITHIN[inner]({"zeros": ZEROS})}), f"in/a.{outer}"))
    assert outcome.failure
    assert outcome.state is JobState.FAILED
    assert "decode to more than" in outcome.failure.message
    assert made.lake() == {}


def test_many_small_bombs_count_together() -> None:
    made = plant()
    bomb = packed_tar({"left/out": bytes(22 * MIB)})
    made.routes = made.routes.replace(INNER, INNER + 'members = ["!left/*"]\n')
    outcome = made.one(made.put(zip_of({f"{n}.tar.gz": bomb for n in range(3)})))
    failed(outcome, "ExpansionLimitError", "s3://drops/in/a.zip: ")


def test_the_entries_of_all_archives_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_reader, "MAX_MEMBERS", 5)
    made = plant()
    outcome = made.one(made.put(nested("zip", "i.zip")))
    failed(outcome, "ExpansionLimitError", "s3://drops/in/a.zip and the archives in it have more than 5 entries")


def test_an_inner_archive_that_does_not_fit_the_temporary_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_archives, "IN_FILE", 1000)
    made = plant()
    outcome = made.one(made.put(nested("zip", "i.zip", {"a": Random(1).randbytes(2000)})))
    failed(outcome, "MembersFailedError", "in/a.zip/i.zip: the inner archive has")
    assert set(made.lake()) == {"first.txt", "last.txt"}
    # One that stands in the object as it is needs none.
    stored = plant()
    succeeded(stored.one(stored.put(nested("stored.zip", "i.zip", {"a": Random(1).randbytes(2000)}))))


def test_an_inner_archive_in_order_has_a_limit_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_reader, "MOST_IN_ORDER", 3)
    made = plant()
    outcome = made.one(made.put(nested("zip", "i.tar.gz")))
    failed(outcome, "MembersFailedError", "in/a.zip/i.tar.gz: the inner archive is read in order")


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_a_second_attempt_delivers_only_what_is_missing(outer: str, inner: str) -> None:
    made = plant()
    source = made.put(nested(outer, inner), f"in/a.{outer}")
    made.objects = Failing(made.store, key=f"{inner}/b/c.bin")
    assert isinstance(made.one(source).retry, ServiceUnavailableError)
    made.objects, made.clock.now = made.store, made.clock.now + 1000
    succeeded(made.one(source, receives=2))
    assert made.lake() == {"first.txt": b"first", **below(inner, AT_DESTINATION), "last.txt": b"last" * 9}
    assert made.versions() == len(made.lake())


@dataclass(frozen=True)
class Failing(FaultyObjectStore):
    """Fails at one destination."""

    key: str = ""

    def open_sink(self, target: Target, *arguments: Any, **named: Any) -> BucketSink:
        if target.key == self.key:
            raise ServiceUnavailableError("S3 is down")
        return FaultyObjectStore.open_sink(self, target, *arguments, **named)


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.long
def test_members_of_both_levels_replace_a_table_together(outer: str, database: Database) -> None:
    made = Plant(ARCHIVES + INNER + TABLES + 'mode = "replace"\n' + NUMBERS, database)
    succeeded(made.one(made.put(OUTER[outer]({"people.csv": people(90, 5)}), f"in/first.{outer}")))
    inner = {"people1.csv": people(1, 10), "people2.csv": people(11, 10)}
    contents = {"people.csv": people(21, 5)} | {name: write(inner) for name, write in WITHIN.items()}
    outcome = succeeded(made.one(made.put(OUTER[outer](contents), f"in/second.{outer}")))
    assert ids_in(database) == sorted([*range(1, 21)] * 3 + [*range(21, 26)])
    assert set(made.states(outcome).values()) == {"succeeded"}


def test_an_inner_archive_that_takes_too_long_is_named_with_a_way_out() -> None:
    made = plant()
    source = made.put(zip_of({"i.tar.gz": packed_tar({"zeros": bytes(40 * MIB)})}))
    outcome = made.one(source, deadline=ManualDeadline(30, per_look=0.5))
    failed(outcome, "TimeLimitError", "s3://drops/in/a.zip/i.tar.gz: the time limit was reached after")
    assert outcome.failure
    assert outcome.failure.hint == inner_archives.WAY_OUT
    assert made.lake() == {}
