"""Recognises batches of CSV that arro3's own reader reads exactly as the row converter does.

Parsing, checking (`RowConverter`) and `destinations.parquet.record_batches` decide what is loaded. arro3's reader is
ten times as fast, but it takes other texts, too: it cuts 1.239 to 1.23 and nanoseconds to microseconds, and reads
2024-1-2 as a date. So each column is read by an `ArrowColumn`, which proves of the whole column that arro3 took no
other text than the row converter takes, and made no other value of it; see `arrow_columns`. What arro3 refuses, or what
is not proven, is parsed.

Each of these must hold, or there is no validator:
- all rows go to one table, and every field of the file belongs to exactly one column; there are several columns;
- the destination parses values itself (`Storage.parsed`, `Storage.digits`), and stores each as the type of its column;
- columns have no JSON, no lists, no formats or other rules of the route, and no values of the source.

Each of these must hold for a batch:
- no CR but in CRLF, no NUL, and no byte order mark in front, which arro3 would leave out;
- quotes stand only around whole fields, within which no line ends;
- no number has so many zeros that it could be longer than the row converter takes;
- no field is one of the words for null but the empty one; nothing is null that may not be.

Memory: the Arrow arrays of a batch, some two times its bytes.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from penstock.model.column import Column
from penstock.model.record import CsvValidator, RawCsv
from penstock.model.table import Table
from penstock.tables.arrow_columns import ArrowColumn, NotProvenError, ReadBatch, column_for
from penstock.tables.raw_csv import DELIMITERS, QUOTES, SEVERAL, Cautious, columns_in_order

if TYPE_CHECKING:
    from arro3.core import Array, RecordBatch, Schema

_PANIC: Final = "PanicException"
# A batch may have so many times the rows for its bytes that those before it had.
_ROOM: Final = 1.1


def arrow_csv_validator(table: Table, names: Sequence[str], delimiter: str, quote: str) -> CsvValidator | None:
    """Recognises rows of ``table`` under the header ``names``; None where the conditions above do not hold."""
    columns = columns_in_order(table, names)
    signs = len(delimiter) == len(quote) == 1 and delimiter in DELIMITERS and quote in QUOTES
    if not signs or len(columns) < SEVERAL:
        return None
    readers = [column_for(column, required=column.name in table.key or not column.nullable) for column in columns]
    found = [reader for reader in readers if reader]
    if len(found) < len(readers):
        return None
    return Cautious(_ArrowCsv(columns, found, delimiter, quote))


class _ArrowCsv:
    """A `CsvValidator` for columns that `ArrowColumn` reads."""

    def __init__(self, columns: Sequence[Column], readers: Sequence[ArrowColumn], delimiter: str, quote: str) -> None:
        self._readers = readers
        self._names = tuple(column.name for column in columns)
        self._delimiter, self._quote = delimiter, quote
        self._quote_byte = quote.encode()
        self._density = 0.0
        self._tokens = sorted({token.encode() for column in columns for token in column.nulls if token})
        self._row = re.compile(_ROW.format(d=re.escape(delimiter), q=quote).encode(), re.MULTILINE)
        self._schema: Schema | None = None

    def __call__(self, text: bytes) -> RawCsv | None:
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        if b"\r" in text or b"\0" in text or text.startswith(BOM_UTF8):
            return None
        if not text.endswith(b"\n"):
            text += b"\n"
        if self._quote_byte in text and self._row.sub(b"", text):
            return None
        if any(self._has_field(text, token) for token in self._tokens):
            return None
        try:
            arrays = self._proven(text)
        except NotProvenError:
            return None
        return RawCsv(text, len(arrays[0]), self._names, self._delimiter, self._quote, arrays)

    def _has_field(self, text: bytes, token: bytes) -> bool:
        """Whether a field is this text, with quotes or without."""
        if token not in text:
            return False
        quote = self._quote_byte
        ends = (self._delimiter.encode(), b"\n")
        text = b"\n" + text
        return quote + token + quote in text or any(first + token + last in text for first in ends for last in ends)

    def _proven(self, text: bytes) -> Sequence[Array]:
        """The columns of a batch. Raises NotProvenError."""
        try:
            return ReadBatch(text, self._readers, self._read(text)).proven()
        except NotProvenError:
            raise
        except Exception as error:
            # What arro3 refuses is read by the row converter, which tells what is wrong.
            raise NotProvenError from error
        except BaseException as error:
            if type(error).__name__ == _PANIC:
                raise NotProvenError from error
            raise

    def _read(self, text: bytes) -> Sequence[Array]:
        """The columns as arro3 reads them, blank lines left out. Raises NotProvenError if there is no other line."""
        batches = self._batches(text) if self._density else []
        if len(batches) != 1:
            # To count the lines of each batch takes a tenth of the time of reading it.
            self._density = _ROOM * text.count(b"\n") / len(text)
            batches = self._batches(text)
        if len(batches) != 1:
            raise NotProvenError
        return [batches[0].column(number) for number in range(len(self._readers))]

    def _batches(self, text: bytes) -> Sequence[RecordBatch]:
        """The first rows as arro3 reads them: one batch, if their number is about what their bytes let expect."""
        from arro3.core import Field, Schema  # noqa: PLC0415  # only routes that write Parquet pay for it
        from arro3.io import read_csv  # noqa: PLC0415

        if self._schema is None:
            fields = [Field(str(number), reader.read_as()) for number, reader in enumerate(self._readers)]
            self._schema = Schema(fields)
        reader = read_csv(
            text,
            self._schema,
            has_header=False,
            batch_size=int(len(text) * self._density) + 1,
            delimiter=self._delimiter,
            quote=self._quote,
        )
        return list(islice(reader, 2))


# A row: fields without quotes, or in quotes that are doubled within them.
_FIELD: Final = "(?:[^{d}{q}\n]*+|{q}(?:[^{q}\n]++|{q}{q})*{q})"
_ROW: Final = f"^{_FIELD}(?:{{d}}{_FIELD})*\n"
