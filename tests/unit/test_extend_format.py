"""docs/extend/format.md, tried: a toy format is added by one value, and every part of the pipeline knows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import pytest

from penstock.errors import InvalidRouteError
from penstock.formats import ParseSettings, RecordFormat, is_settled, needs_whole_source, parse, registered, resolve
from penstock.formats.batching import Piece, RecordSpan, gather
from penstock.formats.boundaries import HEAD, Boundaries, BoundariesState, Text, text_of
from penstock.formats.jsonl.boundaries import LineRules
from penstock.formats.registry import format_by_suffix
from penstock.formats.window import Window
from penstock.model.column import Column
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch
from penstock.model.serialization import to_plain
from penstock.model.table import Table, TablePlan
from penstock.tables import ChunkBuilder

# In the repository it is a member of `Format`.
PAIRS = cast("Format", "pairs")


class PairCutter:
    """Lines of ``name=value`` pairs with semicolons between them (see `penstock.formats.batching.Cutter`)."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def cut(self, limit: int) -> Piece | None:
        window, last = self._window.window(limit)
        data = window if last else window[: window.rfind(b"\n") + 1]
        if not data:
            return None
        offset = self._window.offset
        lines = data.splitlines()
        self._window.advance(len(data))
        rows = [dict(pair.split("=", 1) for pair in line.decode().split(";")) for line in lines]
        spans = [RecordSpan(number, offset, line) for number, line in enumerate(lines)]
        return Piece(offset, self._window.offset, len(data), len(rows), rows, lambda: spans)

    def cut_long(self) -> Piece | None:
        return None


def parse_pairs(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    window = Window(chunks, options.encoding)
    window.skip_to(settings.resume.offset)
    return gather(
        PairCutter(window),
        names=(),
        resume=settings.resume,
        batch_bytes=settings.batch_bytes,
        max_record=options.max_record,
    )


def text_of_pairs(options: ParseOptions, head: bytes) -> Text:
    return Text(lead=Window([head], options.encoding).offset, format=PAIRS)


DECLARED = RecordFormat(
    PAIRS,
    {"pairs": {}, "umlauts": {"encoding": "latin-1"}},
    parse_pairs,
    text=text_of_pairs,
    rules=lambda _: LineRules(),
)
DATA = b"id=1;name=M\xfcller\nid=2;name=Ines\n"


def test_a_toy_format_is_chosen_by_its_suffix_and_parsed_into_rows() -> None:
    with registered(DECLARED):
        options = resolve("a.umlauts.gz", ParseOptions())
        assert (options.format, options.encoding) == ("pairs", "latin-1")
        assert is_settled(options)
        assert not needs_whole_source(options)
        (batch,) = parse([DATA.decode("latin-1").encode()], ParseOptions(format=PAIRS), batch_bytes=1_000)
        table = Table("t", (Column("id"), Column("name")))
        chunk, rejects = ChunkBuilder(TablePlan(options, table)).chunk(0, batch)
        assert not rejects
        assert [list(column) for column in chunk.rows[0].columns] == [["1", "2"], ["Müller", "Ines"]]
    with pytest.raises(InvalidRouteError, match="does not show the format of its records"):
        resolve("a.pairs", ParseOptions())


def test_its_sources_are_cut_by_its_own_rules() -> None:
    with registered(DECLARED):
        text = text_of(ParseOptions(format=PAIRS), DATA[:HEAD])
        assert text
        boundaries = Boundaries(BoundariesState(text))
        boundaries.feed(DATA[:5])
        boundaries.mark()
        boundaries.feed(DATA[5:])
        boundaries.finish()
        assert [(found.offset, found.row) for found in boundaries.take()] == [(DATA.index(b"id=2"), 2)]
        assert BoundariesState.from_json(boundaries.state.to_json()) == boundaries.state


def test_a_text_is_written_as_before_there_were_other_formats() -> None:
    assert to_plain(Text(",", '"')) == {"delimiter": ",", "quote": '"', "header": False, "lead": 0, "escape": ""}
    assert to_plain(Text(format="pairs"))["format"] == "pairs"


@pytest.mark.parametrize("name", [name for name in Format if name is not Format.AUTO])
def test_every_format_of_the_model_is_declared(name: Format) -> None:
    found = format_by_suffix(name)
    assert found
    assert found.name is name
    assert (found.rules is None) == (found.open is None)
