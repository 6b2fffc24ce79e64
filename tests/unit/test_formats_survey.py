"""Ranges counted each on its own: put together, they are what one count in order finds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from lengths import examples
from penstock.formats.boundaries import HEAD, Boundaries, BoundariesState, text_of
from penstock.formats.survey import Survey, stitch, survey
from penstock.model.parse_options import Format
from record_starts import PIECES, ParsedSource, assert_parts_make_the_whole, every_mark, options_for, pieces_of, sources


def surveys(source: ParsedSource, size: int, *, piece: int = 3) -> list[Survey]:
    starts = range(0, len(source.data), size)
    return [survey(pieces_of(source.data[at : at + size], piece), source.text, at) for at in starts]


@given(sources())
@settings(max_examples=examples(200), deadline=None)
def test_ranges_of_any_size_are_stitched_to_what_is_counted_in_order(source: ParsedSource) -> None:
    for size in (*PIECES, 2, 5, 16):
        counted = every_mark(Boundaries(BoundariesState(source.text)), source.data, size)[:-1]
        assert (stitch(surveys(source, size)) if source.data else []) == counted


@given(sources())
@settings(max_examples=examples(50), deadline=None)
def test_parts_that_begin_where_ranges_do_have_the_records_of_the_whole(source: ParsedSource) -> None:
    if source.data:
        assert_parts_make_the_whole(source, stitch(surveys(source, 6)))


@given(sources())
@settings(max_examples=examples(50), deadline=None)
def test_a_survey_may_be_stored(source: ParsedSource) -> None:
    for one in surveys(source, 6):
        assert Survey.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_from_the_first_closing_quote_on_all_states_are_the_same() -> None:
    text = text_of(options_for(Format.CSV), b"1,2\n" * HEAD)
    assert text
    one = survey([b'b\nc","d"\n' + b"1,2\n" * 5000], text, 1000)
    assert {outcome.end for outcome in one.outcomes} == {0}
    assert sorted({outcome.begun for outcome in one.outcomes}) == [5000, 5001, 5002]


def test_a_survey_stays_small() -> None:
    text = text_of(options_for(Format.CSV), b"1,2\n" * HEAD)
    assert text
    one = survey([b"1,2\n" * 100_000] * 3, text, 10**15)
    assert len(json.dumps(one.to_json())) < 1024


def test_a_missing_range_is_noticed() -> None:
    text = text_of(options_for(Format.CSV), b"1,2\n")
    assert text
    first, third = survey([b"1,2\n"], text, 0), survey([b"5,6\n"], text, 8)
    for ranges in ([], [third], [first, third]):
        with pytest.raises(ValueError, match="do not form a complete source"):
            stitch(ranges)
