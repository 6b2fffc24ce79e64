"""The state of an upload: what is written comes back, and nothing else passes for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import StateFileError
from penstock.model.object import Target
from penstock.model.upload import FileIdentity, Proof, UploadState
from penstock.upload.state import changes, from_text, to_text

IDENTITY = FileIdentity(100, 17, 4711, ("aa", "bb"))
STATE = UploadState("/data/a", IDENTITY, Target("lake", "a"), "", 1.5, 8, "id", Proof.CRC32)


@given(st.text(), st.text(), st.floats(0, 2e9), st.sampled_from(Proof))
def test_what_is_written_comes_back(key: str, source: str, begun: float, proof: Proof) -> None:
    state = replace(STATE, source=source, target=Target("lake", key), begun=begun, proof=proof)
    assert from_text(to_text(state), "state.json") == state


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"penstock_upload"', "\x00" * 100, '"penstock_upload"'])
def test_what_is_no_state_is_refused_by_name(text: str) -> None:
    with pytest.raises(StateFileError, match=r"state\.json is damaged, or is not the state of an upload") as refused:
        from_text(text, "state.json")
    assert "--restart" in refused.value.hint


@given(st.data())
def test_a_state_cut_anywhere_is_refused(data: st.DataObject) -> None:
    text = to_text(STATE)
    with pytest.raises(StateFileError):
        from_text(text[: data.draw(st.integers(0, len(text) - 3))], "state.json")


def test_a_state_of_another_version_says_so() -> None:
    text = to_text(STATE).replace('"penstock_upload": 1', '"penstock_upload": 2')
    with pytest.raises(StateFileError, match="of version 2; this release of Penstock reads version 1"):
        from_text(text, "state.json")


@pytest.mark.parametrize("name", ["source", "identity", "target", "part_size", "upload_id", "proof", "begun", "etag"])
@pytest.mark.parametrize("value", [None, [], -1])
def test_a_field_that_is_missing_or_of_another_kind_is_refused(name: str, value: object) -> None:
    fields = json.loads(to_text(STATE))
    for damaged in ({**fields, name: value}, {key: one for key, one in fields.items() if key != name}):
        with pytest.raises(StateFileError, match="damaged"):
            from_text(json.dumps(damaged), "state.json")


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (replace(IDENTITY, size=99), "its size was 100 bytes and is now 99"),
        (replace(IDENTITY, mtime_ns=18), "modification time"),
        (replace(IDENTITY, samples=("aa", "bc")), "content"),
        (IDENTITY, ""),
        (replace(IDENTITY, inode=1), ""),
    ],
)
def test_a_change_is_told_in_words_and_another_inode_alone_is_none(now: FileIdentity, told: str) -> None:
    changed = changes(IDENTITY, now)
    assert told in changed
    assert bool(changed) == bool(told)
