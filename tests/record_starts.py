"""Sources to cut, and where their records begin by the parser."""

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
    """What the parser says of a record: where it stands, and its fields or what is wrong with it."""

    row: int
    offset: int
    value: object


@dataclass(frozen=True)
class Whole:
    """A source, what its start says, and its records."""

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
        """The first record at or after the mark, by the parser."""
        end = Record(len(self.records) + 1, len(self.data), None)
        record = next((one for one in self.records if one.offset >= mark), end)
        return RecordStart(mark, record.offset, record.row)


def pieces_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def records_of(chunks: Iterable[bytes], options: ParseOptions, within: Within | None = None) -> list[Record]:
    """Records in order, each as it compares. Raises UnclosedQuoteError at the end, having no records then."""
    found: list[Record] = []
    for batch in parse(chunks, options, batch_bytes=20, within=within):
        rows = [(batch.place(number), value) for number, value in enumerate(batch.rows)]
        found += [Record(place.row, place.offset, (place.raw, value)) for place, value in rows]
        found += [Record(one.place.row, one.place.offset, one.reason) for one in batch.rejects]
    return sorted(found, key=lambda record: record.row)


def whole(data: bytes, options: ParseOptions) -> Whole:
    """A quote that is left open is closed; draws of which not even the header can be read are dropped."""
    for text in (data, data + options.quote.encode() + b"\n"):
        try:
            return Whole(text, options, open_source([text], options), records_of([text], options))
        except UnclosedQuoteError:
            continue
        except HeaderRowError:
            break
    assume(False)
    raise AssertionError


def every_mark(boundaries: Boundaries, data: bytes, size: int) -> list[RecordStart]:
    """The answers, where every start of a piece and the end are marked."""
    for piece in pieces_of(data, size):
        boundaries.mark()
        boundaries.feed(piece)
    boundaries.mark()
    boundaries.finish()
    return boundaries.take()


def marks(size: int, piece: int) -> list[int]:
    return [*range(0, size, piece), size]


def options_for(
    form: Format, *, header: bool = False, max_record: int = 1000, quote: str = '"', escape: str = ""
) -> ParseOptions:
    return ParseOptions(
        format=form, header=header, columns=("a", "b"), max_record=max_record, quote=quote, escape=escape
    )


CSV_STARTS = st.sampled_from(["", "", "\ufeff", "sep=;\n", "\ufeffsep=;\r\n", '"SEP=;"\r', "\n\r\n"])
# Single signs, and what hides them: fields as writers make them, and as they do not.
CSV_PARTS = st.sampled_from(
    [
        *("a", ",", ";", "\n", "\r", "\r\n", '"', '""', "é€😀", "\ufeff", " ", "sep=;\n"),
        *("\\", '\\"', "\\\\", "\\\n", "\\,", "\\\r\n", '"\\"', '"a\\"b"', "\\é"),
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


def sources() -> st.SearchStrategy[Whole]:
    csv = st.builds(options_for, st.just(Format.CSV), header=st.booleans(), quote=st.sampled_from(['"', '"', ""]))
    escaped = st.builds(options_for, st.just(Format.CSV), header=st.booleans(), escape=st.just("\\"), max_record=LIMITS)
    lines = st.builds(options_for, st.just(Format.JSONL), max_record=LIMITS)
    csv |= escaped
    return st.builds(whole, csv_texts(), csv) | st.builds(whole, line_texts(), lines)


def assert_parts_make_the_whole(source: Whole, starts: Sequence[RecordStart]) -> None:
    """Parsed one by one, the parts that begin at these records have the records of the whole, each once."""
    found: list[Record] = []
    ends = [*(start.offset for start in starts[1:]), len(source.data)]
    for start, end in zip(starts, ends, strict=True):
        within = replace(source.within, offset=start.offset, row=start.row)
        found += records_of(pieces_of(source.data[start.offset : end], 5), source.options, within)
    assert found == source.records
