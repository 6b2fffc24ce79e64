"""Sources to cut, and the starts of their records according to the parser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hypothesis import assume
from hypothesis import strategies as st

from penstock.errors import HeaderRowError, UnclosedQuoteError
from penstock.formats import Within, open_source, parse
from penstock.formats.boundaries import HEAD, Boundaries, RecordStart, Text, text_of
from penstock.model.parse_options import Format, ParseOptions

PIECES = (1, 7, 65536)
LIMITS = st.sampled_from([6, 1000])


@dataclass(frozen=True)
class Record:
    """A parsed record: its position, and its fields or the reason of its rejection."""

    row: int
    offset: int
    value: object


@dataclass(frozen=True)
class ParsedSource:
    """A source, the values that its start declares, and its records."""

    data: bytes
    options: ParseOptions
    within: Within
    records: list[Record]

    @property
    def text(self) -> Text:
        text = text_of(self.options, self.data[:HEAD])
        assert text
        return text

    def first_from(self, mark: int) -> RecordStart:
        """The first record at or after the mark, according to the parser."""
        end = Record(len(self.records) + 1, len(self.data), None)
        record = next((found for found in self.records if found.offset >= mark), end)
        return RecordStart(mark, record.offset, record.row)


def pieces_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def records_of(chunks: Iterable[bytes], options: ParseOptions, within: Within | None = None) -> list[Record]:
    """The records in order, in a comparable form. Raises UnclosedQuoteError at the end of the source."""
    found: list[Record] = []
    for batch in parse(chunks, options, batch_bytes=20, within=within):
        rows = [(batch.position(number), value) for number, value in enumerate(batch.rows)]
        found += [Record(place.row, place.offset, (place.raw, value)) for place, value in rows]
        found += [Record(one.position.row, one.position.offset, one.reason) for one in batch.rejects]
    return sorted(found, key=lambda record: record.row)


def parsed_source(data: bytes, options: ParseOptions) -> ParsedSource:
    """Parse a source. An open quote is closed. Hypothesis drops examples whose header cannot be read."""
    for text in (data, data + options.quote.encode() + b"\n"):
        try:
            assume(text_of(options, text[:HEAD]) is not None)
            return ParsedSource(text, options, open_source([text], options), records_of([text], options))
        except UnclosedQuoteError:
            continue
        except HeaderRowError:
            break
    assume(False)
    raise AssertionError


def every_mark(boundaries: Boundaries, data: bytes, size: int) -> list[RecordStart]:
    """The record starts, with marks at the start of every piece and at the end."""
    for piece in pieces_of(data, size):
        boundaries.mark()
        boundaries.feed(piece)
    boundaries.mark()
    boundaries.finish()
    return boundaries.take()


def marks(size: int, piece: int) -> list[int]:
    return [*range(0, size, piece), size]


def options_for(
    form: Format,
    *,
    header: bool = False,
    max_record: int = 1000,
    quote: str = '"',
    escape: str = "",
    comment: str = "",
    skip_lines: int = 0,
) -> ParseOptions:
    return ParseOptions(
        format=form,
        header=header,
        columns=("a", "b"),
        max_record=max_record,
        quote=quote,
        escape=escape,
        comment=comment,
        skip_lines=skip_lines,
    )


CSV_STARTS = st.sampled_from(["", "", "\ufeff", "sep=;\n", "\ufeffsep=;\r\n", '"SEP=;"\r', "\n\r\n"])
# Single characters, and fields that contain them, well-formed and malformed.
CSV_PARTS = st.sampled_from(
    [
        *("a", ",", ";", "\n", "\r", "\r\n", '"', '""', "é€😀", "\ufeff", " ", "sep=;\n"),
        *("\\", '\\"', "\\\\", "\\\n", "\\,", "\\\r\n", '"\\"', '"a\\"b"', "\\é"),
        *("#", "#a\n", '\n#"', "#\\\r\n", '"#"\n', '"\n#",'),
        *('"a,b"', '"a\nb"', '5"', '"a""b"', ',"",', '"a" b', '""\n', 'a,"b",c\n', '"\n,"', '"a,"\n', "\n\n\n"),
    ]
)
LINE_PARTS = st.sampled_from(
    ["1", "{}", '"a\u2028é"', "[", " ", "\t", "\r", "\n", "\r\n", " \n", "\ufeff", "1\n", "   "]
)


def csv_texts(most: int = 30) -> st.SearchStrategy[bytes]:
    body = st.lists(CSV_PARTS, max_size=most).map("".join)
    return st.builds(lambda start, text: (start + text).encode(), CSV_STARTS, body)


def line_texts(most: int = 30) -> st.SearchStrategy[bytes]:
    body = st.lists(LINE_PARTS, max_size=most).map("".join)
    return st.builds(lambda start, text: (start + text).encode(), st.sampled_from(["", "\ufeff"]), body)


def sources() -> st.SearchStrategy[ParsedSource]:
    csv = st.builds(options_for, st.just(Format.CSV), header=st.booleans(), quote=st.sampled_from(['"', '"', ""]))
    escaped = st.builds(options_for, st.just(Format.CSV), header=st.booleans(), escape=st.just("\\"), max_record=LIMITS)
    lines = st.builds(options_for, st.just(Format.JSONL), max_record=LIMITS)
    commented = st.builds(
        options_for,
        st.just(Format.CSV),
        header=st.booleans(),
        quote=st.sampled_from(['"', '"', ""]),
        escape=st.sampled_from(["", "\\"]),
        comment=st.just("#"),
        max_record=LIMITS,
    )
    skipping = st.builds(options_for, st.just(Format.CSV), header=st.booleans(), skip_lines=st.integers(1, 3))
    csv |= escaped | commented | skipping
    return st.builds(parsed_source, csv_texts(), csv) | st.builds(parsed_source, line_texts(), lines)


def assert_parts_make_the_whole(source: ParsedSource, starts: Sequence[RecordStart]) -> None:
    """The parts that begin at these records, parsed separately, have the records of the source, each once."""
    found: list[Record] = []
    ends = [*(start.offset for start in starts[1:]), len(source.data)]
    for start, end in zip(starts, ends, strict=True):
        within = replace(source.within, offset=start.offset, row=start.row)
        found += records_of(pieces_of(source.data[start.offset : end], 5), source.options, within)
    assert found == source.records
