"""A member of an archive as a source: its identity, and how it is stored and sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from penstock.aws.jobs_table.items import described, upload_of
from penstock.errors import InvalidEventError
from penstock.jobs.events import notification, read_event
from penstock.model.job import Job
from penstock.model.member import Member, MemberContent
from penstock.model.object import Source, Target, archive_of, member_source
from penstock.model.route import Route
from penstock.model.serialization import from_json, to_json

ARCHIVE = Source("drops", "in/a b.zip", 100, "e", "v1", "0A", "2026-11-21T23:30:00.000Z")
ENTRY = Member("x/ü.csv", 3, 7, MemberContent(10, 20, "deflate", 0xFFFFFFFF, "aes"), "2026-11-21T00:00:00", 0o644)
MEMBER = member_source(ARCHIVE, ENTRY)
WITHIN = Member("d/i.zip", 2, 50, MemberContent(30, 80))
INNER = member_source(ARCHIVE, replace(ENTRY, within=WITHIN))
ROUTE = Route("r", ("*",), "s3://lake/{key}")


def job_id(source: Source) -> str:
    return Job(source, ROUTE, Target("lake", "k")).id


def test_a_member_has_a_key_below_its_archive_and_the_version_of_it() -> None:
    assert (MEMBER.key, MEMBER.object_key, MEMBER.size) == ("in/a b.zip/x/ü.csv", "in/a b.zip", 7)
    assert (MEMBER.etag, MEMBER.version_id, MEMBER.order) == (ARCHIVE.etag, ARCHIVE.version_id, ARCHIVE.order)
    assert ARCHIVE.object_key == ARCHIVE.key


def test_the_id_of_a_member_s_job_follows_from_archive_version_and_number() -> None:
    assert job_id(MEMBER) == job_id(replace(MEMBER, size=8, event_time=""))
    others = [
        ARCHIVE,
        member_source(ARCHIVE, replace(ENTRY, number=4)),
        member_source(replace(ARCHIVE, version_id="v2"), ENTRY),
        member_source(replace(ARCHIVE, key="in/b.zip"), ENTRY),
    ]
    assert len({job_id(source) for source in [MEMBER, *others]}) == 5


def test_a_member_of_an_inner_archive_has_the_names_and_the_version_of_both() -> None:
    assert (INNER.key, INNER.archive, INNER.object_key) == (
        "in/a b.zip/d/i.zip/x/ü.csv",
        "in/a b.zip/d/i.zip",
        "in/a b.zip",
    )
    assert member_source(member_source(ARCHIVE, WITHIN), ENTRY) == INNER
    assert archive_of(INNER) == member_source(ARCHIVE, WITHIN)
    assert replace(archive_of(archive_of(INNER)), size=100) == ARCHIVE
    assert (INNER.etag, INNER.version_id, INNER.order) == (ARCHIVE.etag, ARCHIVE.version_id, ARCHIVE.order)


def test_the_id_of_an_inner_member_s_job_follows_from_both_numbers() -> None:
    others = [
        ARCHIVE,
        MEMBER,
        member_source(ARCHIVE, WITHIN),
        member_source(ARCHIVE, replace(ENTRY, number=2, within=replace(WITHIN, number=3))),
        # Objects with the names of the inner archive and of its member.
        member_source(replace(ARCHIVE, key=INNER.archive), ENTRY),
        replace(ARCHIVE, key=INNER.key),
    ]
    assert len({job_id(source) for source in [INNER, *others]}) == 7
    assert len({source.series for source in [INNER, *others]}) == 6  # the third number is no part of it


def test_a_release_that_knows_no_inner_archives_does_not_take_one_for_its_object() -> None:
    """It reads the archive that holds the member under its own key, where no object is."""
    written = json.loads(to_json(INNER))
    del written["member"]["within"]
    assert from_json(Source, json.dumps(written)).object_key == "in/a b.zip/d/i.zip"
    assert "within" not in json.loads(to_json(MEMBER))["member"]


def test_a_member_s_source_is_written_and_read_in_work_files() -> None:
    assert from_json(Source, to_json(MEMBER)) == MEMBER
    assert from_json(Source, to_json(INNER)) == INNER


def test_an_object_s_source_is_written_as_before() -> None:
    assert json.loads(to_json(ARCHIVE)).keys().isdisjoint({"archive", "member"})
    assert described(ARCHIVE).keys().isdisjoint({"archive", "member"})


@pytest.mark.parametrize("source", [ARCHIVE, MEMBER, INNER])
def test_a_source_is_kept_in_the_jobs_table_and_read_back(source: Source) -> None:
    assert upload_of(described(source)) == source


@pytest.mark.parametrize("source", [ARCHIVE, MEMBER, INNER])
def test_the_event_of_a_retry_names_the_same_source(source: Source) -> None:
    (message,) = read_event(json.loads(notification(source)))
    assert message.sources == (source,)


@pytest.mark.parametrize("member", [1, {"number": "x"}, {"name": None}])
def test_a_malformed_member_in_an_event_is_refused(member: object) -> None:
    event = json.loads(notification(MEMBER))
    event["Records"][0]["s3"]["object"]["penstockMember"] = member
    with pytest.raises(InvalidEventError, match="malformed"):
        read_event(event)
