"""What `make sam-local` tells a function of the objects that are really there. The rest of it needs Docker."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from penstock.events import read_event
from penstock_local.sam_local import EXPECTED, ODD_KEY, PLAIN_KEY, fitted
from penstock_local.tools import checkout

HEADS: dict[str, dict[str, Any]] = {
    f"{PLAIN_KEY}.gz": {"VersionId": "v1", "ETag": '"e1"', "ContentLength": 11},
    f"{ODD_KEY}.gz": {"VersionId": "v2", "ETag": '"e2"', "ContentLength": 22},
}


def test_every_event_file_has_an_expected_answer() -> None:
    assert set(EXPECTED) == {path.stem for path in (checkout() / "events").glob("*.json")}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_fitted_event_differs_in_version_etag_and_size_only(name: str) -> None:
    event = json.loads((checkout() / "events" / f"{name}.json").read_text())
    before, after = read_event(event), read_event(fitted(event, HEADS))
    assert [message.id for message in after] == [message.id for message in before]
    for old, new in zip(before, after, strict=True):
        assert (new.problem is None) == (old.problem is None)
        for source, real in zip(old.sources, new.sources, strict=True):
            head = HEADS[source.key]
            version = head["VersionId"] if source.version_id else ""
            etag = head["ETag"].strip('"')
            assert real == replace(source, version_id=version, etag=etag, size=head["ContentLength"])
