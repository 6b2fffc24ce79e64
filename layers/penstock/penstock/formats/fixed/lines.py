"""The fields of lines: of many lines at once, column by column, or of one line, with the reason if it is bad."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter

from penstock.errors import InvalidRouteError
from penstock.formats.encoding import Encoding
from penstock.formats.fixed.equal_lines import EqualLines
from penstock.formats.fixed.trimming import Trimmer
from penstock.formats.long_lines import BLANK
from penstock.model.columnar_rows import ColumnarRows
from penstock.model.fixed_layout import Layout
from penstock.model.parse_options import LineLength, ParseOptions, Units
from penstock.model.wording import counted

Columns = list[list[str]]

_SPACE = re.compile(rb"[ \t\r]")


class LineFields:
    """Reads the fields of lines: a row has one text for each. Implements ``LineReader``."""

    def __init__(self, layout: Layout, options: ParseOptions, encoding: Encoding) -> None:
        self._layout = layout
        self._encoding = encoding
        self._codec = encoding.codec
        # In other encodings, a character is a byte.
        self._by_bytes = options.units is Units.BYTES and encoding.is_multibyte
        if self._by_bytes and encoding.name.startswith(("utf-16", "utf-32")):
            raise InvalidRouteError(
                f"positions in bytes are for encodings in which ASCII has one byte, not for {encoding.name}",
                hint='Set parse.units = "characters".',
            )
        self._one_byte = not encoding.is_multibyte and not encoding.foreign
        self._prefix = options.record_prefix.encode(self._codec, "surrogateescape")
        self._line_length = options.line_length
        self._trimmer = Trimmer(options.trim, encoding)

    def begins_record(self, start: bytes) -> bool:
        return start.startswith(self._prefix)

    def is_record(self, line: bytes) -> bool:
        return line.startswith(self._prefix) and bool(line.strip(BLANK))

    def all(self, data: bytes) -> ColumnarRows | None:
        columns = self._columns(data)
        return None if columns is None else ColumnarRows(columns)

    def _columns(self, data: bytes) -> Columns | None:
        if self._one_byte or data.isascii():
            return self._of_equal_lines(data) or self._of_lines(data)
        return None if self._by_bytes else self._of_lines(data)

    def one(self, line: bytes) -> tuple[tuple[str, ...], str]:
        fields, reason = self._fields(line)
        return tuple(fields), reason

    def _fields(self, line: bytes) -> tuple[list[str], str]:
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if self._by_bytes:
            source = self._encoding.to_source(line) if self._encoding.foreign else line
            return self._in_bytes(source)
        text = line.decode(self._codec)
        if problem := self._length_problem(len(text), len(text.rstrip(" "))):
            return [], problem
        return [self._trimmer.one(text[place]) for place in self._layout.places], ""

    def _in_bytes(self, source: bytes) -> tuple[list[str], str]:
        if problem := self._length_problem(len(source), len(source.rstrip(b" "))):
            return [], problem
        fields = []
        for name, place in zip(self._layout.names, self._layout.places, strict=True):
            try:
                fields.append(self._trimmer.one(source[place].decode(self._encoding.name)))
            except UnicodeDecodeError as error:
                at = place.start + error.start + 1
                return [], f"the field {name!r} is not {self._encoding.name} at byte {at:,} of the line"
        return fields, ""

    def _length_problem(self, length: int, filled: int) -> str:
        width = self._layout.width
        if width < 0 or self._line_length is LineLength.ANY:
            return ""
        unit = "byte" if self._by_bytes else "character"
        if self._line_length is LineLength.EXACT:
            return "" if length == width else f"has {counted(length, unit)}, expected {width:,}"
        return "" if filled <= width else f"has {counted(filled, unit)}, and its fields end at {width:,}"

    def _of_lines(self, data: bytes) -> Columns | None:
        data = data.replace(b"\r\n", b"\n") if b"\r" in data else data
        try:
            text = data.decode(self._codec)
        except UnicodeDecodeError:
            return None
        lines = text.removesuffix("\r").split("\n")
        blank, prefix = BLANK.decode(), self._prefix.decode(self._codec)
        lines = [line for line in lines if line.strip(blank)]
        if prefix:
            lines = [line for line in lines if line.startswith(prefix)]
        if not self._fit(lines):
            return None
        plain = self._trimmer.is_plain(data, data.count(b"\n"))
        return [self._trimmer.all(map(itemgetter(place), lines), plain=plain) for place in self._layout.places]

    def _fit(self, lines: Sequence[str]) -> bool:
        lengths = set(map(len, lines))
        if not any(self._length_problem(length, length) for length in lengths):
            return True
        return not any(self._length_problem(len(line), len(line.rstrip(" "))) for line in lines)

    def _of_equal_lines(self, data: bytes) -> Columns | None:
        """Return the columns of lines of one length; None if they are not, or if one may be bad or blank."""
        lines = EqualLines.of(data)
        if not lines or not self._are_good(lines):
            return None
        try:
            data.decode(self._codec)
        except UnicodeDecodeError:
            return None
        plain = self._trimmer.is_plain(data, lines.line_ends)
        if not plain and not lines.are_all:
            return None
        return [self._stepped(lines, place, plain=plain) for place in self._layout.places]

    def _are_good(self, lines: EqualLines) -> bool:
        width = self._layout.width
        if self._length_problem(lines.width, lines.width) and not (
            self._line_length is LineLength.PADDED and lines.are_blank_from(width)
        ):
            return False
        if self._prefix:
            return lines.start_with(self._prefix)
        # Where a position is filled in all lines, none of them is blank.
        return any(
            place.start < lines.width and not _SPACE.search(lines.at(place.start)) for place in self._layout.places
        ) or any(
            place.stop and place.stop <= lines.width and not _SPACE.search(lines.at(place.stop - 1))
            for place in self._layout.places
        )

    def _stepped(self, lines: EqualLines, place: slice, *, plain: bool) -> list[str]:
        stop = min(place.stop or lines.width, lines.width)
        if place.start >= stop:
            return [""] * lines.count
        fields = lines.between(place.start, stop).decode(self._codec).split("\n")
        fields.pop()
        trimmer = self._trimmer
        is_padded = (trimmer.right and b" " in lines.at(stop - 1)) or (trimmer.left and b" " in lines.at(place.start))
        return trimmer.all(fields, plain=plain) if is_padded else fields
