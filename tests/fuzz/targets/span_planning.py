"""Where records begin: counted in order, from the middle, and by the parser."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

from fuzz.harness import Target
from fuzz.mutation import damaged, damaged_tree, json_text
from fuzz.targets.sources import chunks_of
from fuzz.targets.tables import TOKENS, make_csv, make_lines
from fuzz.targets.texts import csv_text, options_of
from penstock.errors import UnclosedQuoteError
from penstock.formats import open_source, parse
from penstock.formats.boundaries import HEAD, Boundaries, BoundariesState, text_of
from penstock.formats.survey import Survey, stitch, survey
from penstock.model.parse_options import Format


def make(rng: Random) -> bytes:
    return make_csv(rng) if rng.random() < 0.7 else make_lines(rng)


def check(data: bytes, rng: Random) -> None:
    """Ranges that are surveyed apart say what counting in order says, and so does the parser."""
    options = options_of(rng, rng.choice((Format.CSV, Format.JSONL)))
    text = text_of(options, data[:HEAD])
    if text is None:
        return
    size = rng.choice((1, 5, 30)) if len(data) < 300 else rng.choice((100, 5000, 1 << 16))
    starts = range(0, max(1, len(data)), size)
    counted = Boundaries(BoundariesState(text))
    for start in starts:
        counted.mark()
        counted = Boundaries(BoundariesState.from_json(json.loads(json.dumps(counted.state.to_json()))))
        counted.feed(data[start : start + size])
    counted.finish()
    answers = counted.take()
    surveys = [survey(chunks_of(data[start : start + size], rng), text, start) for start in starts]
    assert stitch([Survey.from_json(json.loads(json.dumps(one.to_json()))) for one in surveys]) == answers
    whole = replace(options, max_record=1 << 20)
    try:
        rows = [row for batch in parse([data], whole, batch_bytes=1 << 20) for row in batch.rows]
        within = open_source([data], whole)
        for one in rng.sample(answers, min(3, len(answers))):
            part = replace(within, offset=one.offset, row=one.row)
            found = [
                row for batch in parse([data[one.offset :]], whole, batch_bytes=100, within=part) for row in batch.rows
            ]
            assert found == rows[len(rows) - len(found) :]
    except UnclosedQuoteError:
        return


def make_state(rng: Random) -> bytes:
    data = damaged(rng, csv_text(rng), TOKENS)
    options = replace(options_of(rng, Format.CSV), delimiter=",", quote='"', encoding="utf-8", comment="")
    text = text_of(options, data[:HEAD])
    if text is None:
        return b"[]"
    counted = Boundaries(BoundariesState(text))
    counted.mark()
    counted.feed(data)
    state, found = counted.state.to_json(), survey([data], text, rng.choice((0, 5))).to_json()
    return json_text([rng.random() < 0.5, damaged_tree(rng, rng.choice((state, found)))])


def check_state(data: bytes, rng: Random) -> None:
    try:
        is_state, plain = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return
    if is_state:
        counted = Boundaries(BoundariesState.from_json(plain))
        counted.feed(b'a,"b\n",c\n' * 20)
        counted.finish()
        counted.take()
        return
    one = Survey.from_json(plain)
    stitch([one, replace(one, start=one.end)]) if not one.start else one.outcome(1)


TARGETS = (Target("boundaries", make, check), Target("counters", make_state, check_state))
