"""Columns of a CSV as arro3 reads them, and the proof that the row converter would have made the same of each.

arro3 reads a field by the rules of its column's type, an empty one as null. Each class names what these rules take
beyond those of the row converter, and excludes it. Columns that were inferred take even less (`spellings`).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, ClassVar, Final

from penstock.model.column import Column, ColumnType, Storage
from penstock.tables.arrow_buffers import are_equal, contains, fixed_values, has_length, retyped, text_values
from penstock.tables.kind_choice import is_converted, is_spelled
from penstock.tables.spellings import pattern_of

if TYPE_CHECKING:
    from arro3.core import Array, DataType

_TO_SHAPE: Final = bytes.maketrans(b"123456789", b"000000000")
_TO_DIGITS: Final = bytes.maketrans(b"23456789", b"11111111")
# Places behind those of a decimal that are read, too.
_SPARE: Final = 12
# No batch with so many zeros in a row is proven.
_MANY_ZEROS: Final = b"0" * _SPARE
_ZEROS: Final = b"0" * (_SPARE // 2)
_MOST_DIGITS: Final = 38
_DECIMAL_BYTES: Final = 16
_ZERO_DECIMAL: Final = bytes(_DECIMAL_BYTES)
_ZERO: Final = ord("0")
# Where the seconds of a timestamp begin.
_SECONDS: Final = len("0000-00-00 00:00:")
_EXPONENTS: Final = (re.compile(rb"e[-+0-9]"), re.compile(rb"E[-+0-9]"))
_SMALL_EXPONENT: Final = re.compile(rb"[0-9.][eE]-[0-9]{3}")


class NotProvenError(Exception):
    """A batch may hold what the row converter reads in another way."""


class ReadBatch:
    """A batch of CSV, and its columns as arro3 has read them."""

    def __init__(self, text: bytes, readers: Sequence[ArrowColumn], arrays: Sequence[Array]) -> None:
        self.text = text
        self._readers = readers
        self._arrays = arrays
        self._are_checked = False
        self.has_zeros = any(reader.reads_digits for reader in readers) and contains(text, _ZEROS)

    def proven(self) -> list[Array]:
        """The columns as they are stored. Raises NotProvenError."""
        if self.has_zeros and contains(self.text, _MANY_ZEROS):
            raise NotProvenError
        return [reader.proven(array, self) for reader, array in zip(self._readers, self._arrays, strict=True)]

    def check_exponents(self) -> None:
        """Raise NotProvenError if a number may have an exponent. The letters e must all be in other fields."""
        if self._are_checked:
            return
        self._are_checked = True
        found = [reader.letters(array) for reader, array in zip(self._readers, self._arrays, strict=True)]
        known = [count for count in found if count is not None]
        if len(known) < len(found):
            is_proven = not any(pattern.search(self.text) for pattern in _EXPONENTS)
        else:
            is_proven = sum(known) == self.text.count(b"e") + self.text.count(b"E")
        if not is_proven:
            raise NotProvenError


class ArrowColumn(ABC):
    """Reads one column. ``required``: it has no nulls. ``reads_digits``: arro3 has read numbers, whose texts nobody
    sees."""

    reads_digits: ClassVar = True

    def __init__(self, column: Column, *, required: bool) -> None:
        self.column = column
        self.has_no_null = required or "" not in column.nulls

    @abstractmethod
    def read_as(self) -> DataType:
        """The type that arro3 reads."""

    def proven(self, array: Array, batch: ReadBatch) -> Array:
        """The column as it is stored. Raises NotProvenError."""
        if self.has_no_null and array.null_count:
            raise NotProvenError
        return self.checked(array, batch)

    @abstractmethod
    def checked(self, array: Array, batch: ReadBatch) -> Array:
        """As `proven`."""

    def letters(self, array: Array) -> int | None:
        """How many letters e and E the fields have; None: not known."""
        with text_values(array) as held:
            texts = bytes(held)
        return texts.count(b"e") + texts.count(b"E")


class TextColumn(ArrowColumn):
    """Any text. The row converter refuses NUL, which no batch has."""

    reads_digits = False

    def read_as(self) -> DataType:
        return _types().utf8()

    def checked(self, array: Array, batch: ReadBatch) -> Array:  # noqa: ARG002  # as ArrowColumn says
        return array


class IntegerColumn(ArrowColumn):
    """Digits with a sign or none: the row converter takes them all, unless there are more than a hundred. Then most are
    zeros."""

    def read_as(self) -> DataType:
        held = self.column.storage
        return _types().int32() if held and held.bits else _types().int64()

    def checked(self, array: Array, batch: ReadBatch) -> Array:  # noqa: ARG002  # as ArrowColumn says
        return array

    def letters(self, array: Array) -> int | None:  # noqa: ARG002  # as ArrowColumn says
        return 0


class SpelledIntegerColumn(TextColumn):
    """Only digits without zeros in front: the number is written as its text was."""

    def checked(self, array: Array, batch: ReadBatch) -> Array:  # noqa: ARG002  # as ArrowColumn says
        numbers = array.cast(_types().int64())
        if not are_equal(numbers.cast(_types().utf8()), array):
            raise NotProvenError
        return numbers


class DecimalColumn(ArrowColumn):
    """Digits with a point or none, and no more places than the column has.

    arro3 cuts places that its type does not have. So it reads 12 more of them than the column keeps: those must be
    zero. A digit behind them would be preceded by 12 zeros, in a number with an exponent by six at least on one side of
    its point. Or all digits that are read are zero, as they are of texts such as ``e4`` and ``-.``, which are no
    numbers.
    """

    def __init__(self, column: Column, *, required: bool, digits: int, places: int) -> None:
        super().__init__(column, required=required)
        self.digits, self.places = digits, places

    def read_as(self) -> DataType:
        return _types().decimal128(_MOST_DIGITS, self.places + _SPARE)

    def checked(self, array: Array, batch: ReadBatch) -> Array:
        kept = array.cast(_types().decimal128(self.digits, self.places))
        if not are_equal(kept.cast(self.read_as()), array):
            raise NotProvenError
        has_zero = _has_zero(kept)
        if has_zero and (b"-." in batch.text or b"+." in batch.text):
            raise NotProvenError
        if has_zero or (batch.has_zeros and (_ZEROS + b"." in batch.text or b"." + _ZEROS in batch.text)):
            batch.check_exponents()
        return kept

    def letters(self, array: Array) -> int | None:  # noqa: ARG002  # as ArrowColumn says
        return 0


class SpelledDecimalColumn(TextColumn):
    """Only digits without zeros in front, with a point between them or none: each shape of a text is looked at."""

    def __init__(self, column: Column, *, required: bool, digits: int, places: int) -> None:
        super().__init__(column, required=required)
        self.digits, self.places = digits, places
        fraction = rf"(?:\.[0-9]{{1,{places}}}+)?" if places else ""
        self.line = re.compile(rf"^-?(?:0|[1-9][0-9]*+){fraction}\n".encode(), re.MULTILINE)

    def checked(self, array: Array, batch: ReadBatch) -> Array:  # noqa: ARG002  # as ArrowColumn says
        if array.null_count == len(array):
            return array.cast(_types().decimal128(self.digits, self.places))
        # The expression does not tell digits but zero apart. To find the few shapes takes half the time of a match.
        shapes = set(_lines(array).translate(_TO_DIGITS)[:-1].split(b"\n"))
        if self.line.sub(b"", b"\n".join([*shapes, b""])):
            raise NotProvenError
        numbers = array.cast(_types().decimal128(self.digits, self.places))
        if numbers.null_count != array.null_count:
            raise NotProvenError
        return numbers


class FloatColumn(ArrowColumn):
    """Numbers of double precision. Not proven: that one is neither too large, which arro3 reads as infinite, nor too
    small, which it reads as zero."""

    infinite: ClassVar = (bytes(6) + b"\xf0\x7f", bytes(6) + b"\xf0\xff")
    zero: ClassVar = bytes(8)

    def read_as(self) -> DataType:
        return _types().float64()

    def checked(self, array: Array, batch: ReadBatch) -> Array:
        with fixed_values(array, 8) as held:
            values = bytes(held)
        if any(value in values for value in self.infinite):
            raise NotProvenError
        if self.zero in values and (b"e-" in batch.text or b"E-" in batch.text) and _SMALL_EXPONENT.search(batch.text):
            raise NotProvenError
        return array

    def letters(self, array: Array) -> int | None:  # noqa: ARG002  # as ArrowColumn says
        return None


class BooleanColumn(ArrowColumn):
    """The words true and false, in letters of any case."""

    reads_digits = False

    def read_as(self) -> DataType:
        return _types().bool()

    def checked(self, array: Array, batch: ReadBatch) -> Array:  # noqa: ARG002  # as ArrowColumn says
        return array

    def letters(self, array: Array) -> int | None:
        return len(array) - array.null_count  # one in each word


class SpelledBooleanColumn(TextColumn):
    """The words true and false, as the sample has them."""

    words: ClassVar = {"true": (b"true", b"false"), "True": (b"True", b"False"), "TRUE": (b"TRUE", b"FALSE")}

    def checked(self, array: Array, batch: ReadBatch) -> Array:  # noqa: ARG002  # as ArrowColumn says
        with text_values(array) as held:
            texts = bytes(held)
        counts = {word: texts.count(word) for name in self.column.spellings for word in self.words[name]}
        booleans = array.cast(_types().bool())
        # Every value is a word for true or false, and no shorter one leaves room for so many of these.
        if (
            sum(counts.values()) != len(array) - array.null_count
            or sum(len(word) * count for word, count in counts.items()) != len(texts)
            or booleans.null_count != array.null_count
        ):
            raise NotProvenError
        return booleans


class DateColumn(TextColumn):
    """Dates of one shape, YYYY-MM-DD: arro3 takes shorter and longer ones, too."""

    shapes: ClassVar = frozenset({b"0000-00-00"})

    def checked(self, array: Array, batch: ReadBatch) -> Array:  # noqa: ARG002  # as ArrowColumn says
        with text_values(array) as held:
            texts = bytes(held)
        count = len(array) - array.null_count
        if count:
            self._check_shape(array, texts, len(texts) // count, count)
        read = array.cast(self._parsed())
        # What is no date in the calendar is null.
        if read.null_count != array.null_count:
            raise NotProvenError
        return self._stored(read)

    def _check_shape(self, array: Array, texts: bytes, length: int, count: int) -> None:
        """All texts have one shape, and begin with a year from 1000 on.

        arro3 takes a text only with digits around its hyphens and colons; so these alone tell the shape of a text whose
        length is known.
        """
        shape = texts[:length].translate(_TO_SHAPE)
        if not self._takes(shape) or not has_length(array, length) or b"0" in texts[::length]:
            raise NotProvenError
        for place, sign in enumerate(shape):
            if sign != _ZERO and texts[place::length] != shape[place : place + 1] * count:
                raise NotProvenError

    def _takes(self, shape: bytes) -> bool:
        spellings = self.column.spellings
        return shape in self.shapes and (not spellings or _is_spelled_as(shape, spellings))

    def _parsed(self) -> DataType:
        return _types().date32()

    def _stored(self, array: Array) -> Array:
        return array


class TimestampColumn(DateColumn):
    """Times of one shape, without zone or of UTC, with at most six digits of a second. arro3 reads a leap second as the
    next one."""

    shapes: ClassVar = frozenset(
        f"0000-00-00{time}".encode()
        for time in (
            "",
            *(
                f"{between}00:00{seconds}{zone}"
                for between in " T"
                for seconds in ("", ":00", *(f":00.{'0' * digits}" for digits in range(1, 7)))
                for zone in ("", "Z")
            ),
        )
    )

    def _check_shape(self, array: Array, texts: bytes, length: int, count: int) -> None:
        super()._check_shape(array, texts, length, count)
        if length > _SECONDS and b"6" in texts[_SECONDS::length]:
            raise NotProvenError

    def _parsed(self) -> DataType:
        return _types().timestamp("us")

    def _stored(self, array: Array) -> Array:
        held = self.column.storage
        return retyped(array, _types().timestamp("us", tz="UTC")) if held and held.zoned else array


def column_for(column: Column, *, required: bool) -> ArrowColumn | None:
    """What reads a column; None if nothing is proven of it."""
    held = column.storage
    if held is None or held.type is not column.type or is_converted(column) or column.metadata or column.elements:
        return None
    if held.type is ColumnType.NUMERIC:
        return _decimal_column(column, held, required=required)
    spelled = is_spelled(column)
    makers: dict[ColumnType, type[ArrowColumn]] = {
        ColumnType.TEXT: TextColumn,
        ColumnType.INTEGER: SpelledIntegerColumn if spelled else IntegerColumn,
        ColumnType.FLOAT: FloatColumn,
        ColumnType.BOOLEAN: SpelledBooleanColumn if spelled else BooleanColumn,
        ColumnType.DATE: DateColumn,
        ColumnType.TIMESTAMP: TimestampColumn,
    }
    maker = makers.get(column.type)
    is_limited = held.length is not None or held.places is not None or (held.bits and (spelled or maker is FloatColumn))
    return None if maker is None or is_limited else maker(column, required=required)


def _decimal_column(column: Column, held: Storage, *, required: bool) -> ArrowColumn | None:
    digits, places = held.digits, held.places
    if digits is None or places is None or places + _SPARE >= _MOST_DIGITS:
        return None
    if column.digits and (column.digits, column.places) != (digits, places):
        return None
    maker = SpelledDecimalColumn if is_spelled(column) else DecimalColumn
    return maker(column, required=required, digits=digits, places=places)


def _has_zero(decimals: Array) -> bool:
    """Whether a decimal is zero, or null."""
    with fixed_values(decimals, _DECIMAL_BYTES) as held:
        values = bytes(held)
    first = values[::_DECIMAL_BYTES]  # the lowest byte of each, which is seldom zero
    at = first.find(0)
    while at >= 0:
        if values.startswith(_ZERO_DECIMAL, at * _DECIMAL_BYTES):
            return True
        at = first.find(0, at + 1)
    return False


def _lines(array: Array) -> bytes:
    """The texts of a column that are not null, each on a line."""
    from arro3.core import RecordBatch  # noqa: PLC0415  # only routes that write Parquet pay for it
    from arro3.io import write_csv  # noqa: PLC0415

    out = BytesIO()
    write_csv(RecordBatch.from_arrays([array], names=["x"]), out, header=False)
    lines = out.getvalue()
    return lines.replace(b'""\n', b"") if array.null_count else lines


@lru_cache(maxsize=256)
def _is_spelled_as(shape: bytes, spellings: tuple[str, ...]) -> bool:
    return re.fullmatch(pattern_of(spellings), shape.decode()) is not None


@cache
def _types() -> type[DataType]:
    from arro3.core import DataType  # noqa: PLC0415  # only routes that write Parquet pay for it

    return DataType
