"""The events of `make sam-local`, and how it checks an answer. The rest needs Docker."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from penstock.aws.jobs_table.stream import read_changes
from penstock.jobs.announce.announcer import Announcer
from penstock.jobs.events import read_event
from penstock.large_jobs.survey import Piece
from penstock.model.serialization import from_plain, to_plain
from penstock.model.span import Span
from penstock.testing import MemoryChannel
from penstock_local.sam_local.checks import check
from penstock_local.sam_local.events import event_file, with_real_objects
from penstock_local.sam_local.ingest_events import EXPECTED, ODD_KEY, PLAIN_KEY
from penstock_local.sources import checkout

HEADS: dict[str, dict[str, Any]] = {
    f"{PLAIN_KEY}.gz": {"VersionId": "v1", "ETag": '"e1"', "ContentLength": 11},
    f"{ODD_KEY}.gz": {"VersionId": "v2", "ETag": '"e2"', "ContentLength": 22},
}
STATES = json.loads((checkout() / "statemachine" / "job.asl.json").read_text())["States"]
# By event file: the parameters that the state machine passes to the function.
PARAMETERS = {
    "plan": STATES["Plan"]["Parameters"],
    "index": STATES["Index"]["Parameters"],
    "index-piece": STATES["Survey"]["ItemSelector"],
    "work": STATES["Work"]["ItemSelector"],
    "work-sequence": STATES["Sequence"]["Parameters"],
    "finish": STATES["Finish"]["Parameters"],
    "abort": STATES["Abort"]["Parameters"],
}


def test_every_event_file_has_an_expected_answer() -> None:
    assert set(EXPECTED) == {path.stem for path in (checkout() / "events").glob("*.json")}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_event_with_real_objects_differs_in_version_etag_and_size_only(name: str) -> None:
    event = event_file(name)
    before, after = read_event(event), read_event(with_real_objects(event, HEADS))
    assert [message.id for message in after] == [message.id for message in before]
    for old, new in zip(before, after, strict=True):
        assert (new.problem is None) == (old.problem is None)
        for source, real in zip(old.sources, new.sources, strict=True):
            head = HEADS[source.key]
            version = head["VersionId"] if source.version_id else ""
            etag = head["ETag"].strip('"')
            assert real == replace(source, version_id=version, etag=etag, size=head["ContentLength"])


def test_every_step_event_is_one_of_the_state_machine_or_of_its_end() -> None:
    files = {path.stem for path in (checkout() / "events" / "steps").glob("*.json")}
    assert files == {*PARAMETERS, "abort-stopped"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_step_event_has_the_parameters_of_the_state_machine(name: str) -> None:
    assert set(event_file(f"steps/{name}")) == {parameter.removesuffix(".$") for parameter in PARAMETERS[name]}


@pytest.mark.parametrize(("name", "item", "kind"), [("work", "span", Span), ("index-piece", "piece", Piece)])
def test_an_item_of_a_map_has_the_form_of_the_manifest(name: str, item: str, kind: type) -> None:
    found = event_file(f"steps/{name}")[item]
    assert to_plain(from_plain(kind, found)) == found


def test_the_readme_lists_every_step_event() -> None:
    events = checkout() / "events"
    listed = (events / "README.md").read_text()
    files = [path.relative_to(events) for path in events.glob("*/*.json")]
    assert [file for file in files if f"`{file}`" not in listed] == []


def test_the_event_of_announce_ends_one_job() -> None:
    channel = MemoryChannel()
    done = Announcer([channel], lambda status: status)(read_changes(event_file("stream/announce")))
    (told,) = channel.taken
    assert (done.sent, told.kind, told.detail["seconds"]) == (1, "Penstock Job Succeeded", 3.25)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        ({"state": "failed", "job": "1"}, True),
        ({"state": "succeeded", "job": "1"}, False),
        ({"job": "1"}, False),
        ({"errorType": "LeaseLostError"}, False),
        (None, False),
    ],
)
def test_an_answer_is_right_if_it_contains_the_expected_entries(found: object, right: bool) -> None:
    assert (not check("abort", found, {"state": "failed"}).problem) == right


@pytest.mark.parametrize(("found", "right"), [([], True), (["in/left.csv"], False), (None, False)])
def test_a_list_is_right_if_it_equals_the_expected_list(found: object, right: bool) -> None:
    assert (not check("open uploads", found, []).problem) == right
