"""Count CSV records at memory speed, by the rules of the csv module.

After adjacent quotes have cancelled each other, the effect of a quote depends only on the byte before it:

- after a separator (delimiter, line end) it toggles: it opens a field or, inside quotes, closes the current field;
- after anything else the state is outside: the quote closes a field, or it is text of a field without quotes.

Two adjacent quotes change nothing but the start of a record, so a run of them counts as one quote or as none.
So a line end can only lie inside quotes if the last quote before it follows a separator. Few lines end in this way:
they are examined one by one, and all others are only counted. CR and LF are equal, because blank lines do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# States of the automaton between two bytes. They are persisted.
START, FIELD_START, IN_FIELD, IN_QUOTES, AFTER_QUOTE = range(5)

_LINE_END = b"\n"
_TEXT = re.compile(rb"[^\n]")
_LONE_RETURN = re.compile(rb"\r[^\n]")
_BLANK = re.compile(rb"\n\n+")
# Bytes that are examined to choose a method: a regular expression costs 30 ns per quote, a line-by-line pass 150 ns per
# line, and the same again if its last quotes are a pair.
_SAMPLE = 4096
_DENSE = 5
# If this many lines may end inside quotes, at least one in so many bytes, to examine each is not the fastest method.
_MANY, _EVERY = 32, 1000


class CsvRules:
    """Counts records in a source with this delimiter and quote. An empty ``quote`` means that quotes are text."""

    entries = (START, FIELD_START, IN_FIELD, IN_QUOTES, AFTER_QUOTE)

    def __init__(self, delimiter: bytes, quote: bytes) -> None:
        self._delimiter = delimiter
        self._quote = quote
        self._pair = quote * 2
        self._separators = delimiter + _LINE_END
        self._doubtful = frozenset((delimiter, b"", quote))
        one, sep = re.escape(quote), re.escape(self._separators)
        text = rb"[^%b\n]*+" % one
        self._others = bytes(set(range(256)) - set(self._separators + quote))
        # The kind of each byte: a quote, a separator, or anything else.
        self._kinds = bytes(
            ord("q") if byte in quote else ord("s" if byte in self._separators else "x") for byte in range(256)
        )
        # From a quote after a separator to a line end, with only pairs of quotes between.
        self._opening = re.compile(rb"%b(?<=[%b]%b)%b(?:%b%b%b)*+\n" % (one, sep, one, text, one, one, text))

    def is_text(self, byte: bytes) -> bool:
        """Return whether the byte is neither delimiter, quote nor line end."""
        return byte not in (self._delimiter, self._quote, _LINE_END, b"\r")

    def step(self, state: int, data: bytes) -> tuple[int, int]:
        """Return the state after the data, and how many records begin in it."""
        quoted = self._quote in data if self._quote else False
        if not data or (state == IN_QUOTES and not quoted):
            return state, 0
        text = _one_line_end(data)
        lines = text.split(_LINE_END) if quoted and self._is_dense(text) else []
        # CPython searches faster from the end.
        if not all(lines[1:-1]) if lines else text.rfind(b"\n\n") >= 0:
            text = _BLANK.sub(_LINE_END, text)
            lines = text.split(_LINE_END) if lines else []
        inside, end = self._quoted(state, text, lines) if quoted else (0, self._outside(text))
        outside = (len(lines) - 1 if lines else _line_ends(text)) - inside
        begins = state == START and not text.startswith(_LINE_END)
        return end, outside + begins - (end == START)

    def starts(self, state: int, data: bytes) -> Iterator[int]:
        """Yield where records begin in the data."""
        text = data.replace(b"\r", _LINE_END)
        at = 0 if state == START else self._record_end(state, text, 0)
        while at >= 0 and (found := _TEXT.search(text, at)):
            yield found.start()
            at = self._record_end(START, text, found.start())

    def _record_end(self, state: int, text: bytes, at: int) -> int:
        """Return the position after the first line end outside quotes; -1 if there is none."""
        while True:
            if state == IN_QUOTES:
                at = text.find(self._quote, at)
                if at < 0:
                    return -1
            end = text.find(_LINE_END, at) + 1
            if not end:
                return -1
            state = self._after(state, text[at:end])
            at = end
            if state == START:
                return at

    def _is_dense(self, text: bytes) -> bool:
        """Return whether counting by lines is faster than by quotes."""
        lines = text.count(_LINE_END, 0, _SAMPLE) + text.count(self._pair, 0, _SAMPLE)
        return text.count(self._quote, 0, _SAMPLE) > _DENSE * lines

    def _quoted(self, state: int, text: bytes, lines: list[bytes]) -> tuple[int, int]:
        """Return how many line ends lie inside quotes, and the state at the end. ``lines``: the text's, or none."""
        first, last = text.find(_LINE_END) + 1, text.rfind(_LINE_END) + 1
        if not first:
            return 0, self._after(state, text)
        inside = 0
        # Everything before is counted; -1 if the rest is inside quotes.
        at = first
        if self._after(state, text[:first]) == IN_QUOTES:
            inside, at = self._held(text, first, last)
        suspects = self._suspects_by_line(lines[1:-1], first) if lines else self._suspects(text, first, last)
        for number, (start, end) in enumerate(suspects if at >= 0 else ()):
            often = number == _MANY and start - first < _MANY * _EVERY
            if often and (sections := self._sections(text[at:last])):
                more, closed = sections
                inside += more
                at = last if closed else -1
                break
            if start >= at and self._after(START, text[start:end]) == IN_QUOTES:
                more, at = self._held(text, end, last)
                inside += more
                if at < 0:
                    break
        return inside, self._after(START if at >= 0 else IN_QUOTES, text[last:])

    def _held(self, text: bytes, at: int, last: int) -> tuple[int, int]:
        """Return how many line ends lie inside quotes, from the one before ``at``, and up to which position they are
        counted; -1 if the rest is inside quotes.
        """
        inside, lines, start = 1, 0, at
        while (quote := text.find(self._quote, at)) >= 0 and (end := text.find(_LINE_END, quote) + 1):
            lines += 1
            often = lines == _MANY and at - start < _MANY * _EVERY
            if often and (sections := self._sections(self._quote + text[at:last])):
                more, closed = sections
                return inside + more, last if closed else -1
            inside += text.count(_LINE_END, at, quote)
            if self._after(IN_QUOTES, text[quote:end]) != IN_QUOTES:
                return inside, end
            inside += 1
            at = end
        return inside + text.count(_LINE_END, at), -1

    def _suspects(self, text: bytes, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield start and end of lines that may end inside quotes although they began outside."""
        for found in self._opening.finditer(text, first, last):
            yield text.rfind(_LINE_END, 0, found.start()) + 1, found.end()

    def _suspects_by_line(self, lines: list[bytes], first: int) -> Iterator[tuple[int, int]]:
        """Yield the same for ``lines``, the first of which starts at ``first``."""
        quote = self._quote
        before = [line[(at := line.rfind(quote)) - 1 : at] for line in lines]
        if self._doubtful.isdisjoint(before):
            return
        numbers = [number for number, byte in enumerate(before) if byte in self._doubtful]
        # Fields with an even number of quotes change nothing, so most lines need no further check.
        fields = _LINE_END.join([lines[number] for number in numbers]).translate(None, self._others)
        passed = 0
        for number, odd in zip(numbers, fields.replace(self._pair, b"").split(_LINE_END), strict=True):
            if quote in odd and self._may_open(lines[number]):
                first += sum(map(len, lines[passed:number])) + number - passed
                passed = number
                yield first, first + len(lines[number]) + 1

    def _may_open(self, line: bytes) -> bool:
        singles = line.replace(self._pair, b"")
        at = singles.rfind(self._quote)
        return at == 0 or (at > 0 and singles[at - 1] in self._separators)

    def _sections(self, text: bytes) -> tuple[int, bool] | None:
        """Return how many line ends lie inside quotes, and whether the text ends outside, if all quotes open or close.

        None if any quote is text. The text begins with a record. This takes half the time of a check of every line.
        """
        pieces = text.split(self._quote)
        closed = len(pieces) % 2 == 1
        # One quote replaces each section in quotes, so its neighbours are those of the section.
        outside = self._quote.join(pieces[::2] if closed else [*pieces[::2], b""])
        kinds = outside.translate(self._kinds)
        # CPython searches both faster from the end.
        if kinds.rfind(b"xq") >= 0 or kinds.rfind(b"qx") >= 0:
            return None
        return _line_ends(text) - _line_ends(outside), closed

    def _after(self, state: int, text: bytes) -> int:
        """Return the state after any text whose line ends are LF."""
        if not text:
            return state
        if not self._quote:
            return self._outside(text)
        if state == AFTER_QUOTE:
            if text.startswith(self._quote):
                return self._after(IN_QUOTES, text[1:])
            state = IN_FIELD
        body = text.rstrip(self._quote)
        odd = (len(text) - len(body)) & 1
        if body:
            state = IN_QUOTES if self._inside(state, body) else self._outside(body)
        if state == IN_FIELD or len(body) == len(text):
            return state
        return AFTER_QUOTE if odd == (state == IN_QUOTES) else IN_QUOTES

    def _outside(self, text: bytes) -> int:
        """Return the state after a text that ends outside quotes, and not with a quote."""
        if text.endswith(_LINE_END):
            return START
        return FIELD_START if text.endswith(self._delimiter) else IN_FIELD

    def _inside(self, state: int, body: bytes) -> bool:
        """Return whether the body ends inside quotes. Toggles are counted backwards, up to a known state."""
        quote = self._quote
        singles = body.replace(self._pair, b"") if self._pair in body else body
        inside = False
        at = singles.rfind(quote)
        while at > 0:
            if singles[at - 1] not in self._separators:
                return inside
            inside = not inside
            at = singles.rfind(quote, 0, at)
        if at == 0:
            return inside != (state in (START, FIELD_START))
        return inside != (state == IN_QUOTES)


def _one_line_end(data: bytes) -> bytes:
    """Return the data with LF for all line ends, some of them possibly twice."""
    if b"\r" not in data:
        return data
    mixed = data.endswith(b"\r") or _LONE_RETURN.search(data)
    return data.replace(b"\r", _LINE_END if mixed else b"")


def _line_ends(text: bytes) -> int:
    """Count line ends like bytes.count, in less than half its time if lines are long."""
    return len(text) - len(text.replace(_LINE_END, b""))
