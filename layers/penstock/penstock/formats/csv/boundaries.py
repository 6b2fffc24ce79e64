"""Counts CSV records at memory speed, by the rules of the csv module.

What a quote does depends on the byte before it alone, once adjacent quotes have cancelled each other:

- after a separator (delimiter, line end) it toggles: it opens a field or, inside quotes, closes the one it stands in;
- after anything else it ends up outside: it closes, or it is text of a field without quotes.

Two adjacent quotes leave everything but the start of a record as it was, so a run of them counts as one or as none.
It follows that a line end can only lie inside quotes if the last quote before it stands after a separator. Few lines
end so: they are looked at one by one, all others are merely counted. CR and LF do the same, as blank lines are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Of the automaton: between two bytes. Kept in states that are stored.
START, FIELD_START, IN_FIELD, IN_QUOTES, AFTER_QUOTE = range(5)

_LINE_END = b"\n"
_TEXT = re.compile(rb"[^\n]")
_LONE_RETURN = re.compile(rb"\r[^\n]")
_BLANK = re.compile(rb"\n\n+")
# How much is looked at to choose a way: a regular expression costs 30 ns a quote, going line by line 150 ns a line
# and as much again where its last quotes are a pair.
_SAMPLE = 4096
_DENSE = 5
# Where so many lines may end inside quotes, at least one in so many bytes, looking at each is not the fastest way.
_MANY, _EVERY = 32, 1000


class CsvRules:
    """Counts in a source with these two bytes. An empty ``quote`` means that quotes are text."""

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
        # For telling neighbours apart: a quote, a separator, or anything else.
        self._kinds = bytes(
            ord("q") if byte in quote else ord("s" if byte in self._separators else "x") for byte in range(256)
        )
        # From a quote behind a separator to a line end, with no other quote between that has no twin.
        self._opening = re.compile(rb"%b(?<=[%b]%b)%b(?:%b%b%b)*+\n" % (one, sep, one, text, one, one, text))

    def is_text(self, byte: bytes) -> bool:
        """Whether it is neither delimiter, quote nor line end."""
        return byte not in (self._delimiter, self._quote, _LINE_END, b"\r")

    def step(self, state: int, data: bytes) -> tuple[int, int]:
        """The state after the data, and how many records begin in it."""
        quoted = self._quote in data if self._quote else False
        if not data or (state == IN_QUOTES and not quoted):
            return state, 0
        text = _one_line_end(data)
        lines = text.split(_LINE_END) if quoted and self._is_dense(text) else []
        # Searched from the end: CPython is faster so.
        if not all(lines[1:-1]) if lines else text.rfind(b"\n\n") >= 0:
            text = _BLANK.sub(_LINE_END, text)
            lines = text.split(_LINE_END) if lines else []
        inside, end = self._quoted(state, text, lines) if quoted else (0, self._outside(text))
        outside = (len(lines) - 1 if lines else _line_ends(text)) - inside
        begins = state == START and not text.startswith(_LINE_END)
        return end, outside + begins - (end == START)

    def starts(self, state: int, data: bytes) -> Iterator[int]:
        """Where in the data records begin."""
        text = data.replace(b"\r", _LINE_END)
        at = 0 if state == START else self._record_end(state, text, 0)
        while at >= 0 and (found := _TEXT.search(text, at)):
            yield found.start()
            at = self._record_end(START, text, found.start())

    def _record_end(self, state: int, text: bytes, at: int) -> int:
        """Just past the first line end outside quotes; -1 if there is none."""
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
        """Whether counting by lines is faster than by quotes."""
        lines = text.count(_LINE_END, 0, _SAMPLE) + text.count(self._pair, 0, _SAMPLE)
        return text.count(self._quote, 0, _SAMPLE) > _DENSE * lines

    def _quoted(self, state: int, text: bytes, lines: list[bytes]) -> tuple[int, int]:
        """How many line ends lie inside quotes, and the state at the end. ``lines`` are those of the text, or none."""
        first, last = text.find(_LINE_END) + 1, text.rfind(_LINE_END) + 1
        if not first:
            return 0, self._after(state, text)
        inside = 0
        # All before is counted; -1 if it is inside quotes to the end.
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
        """How many line ends lie inside quotes from the one before ``at`` on, and up to where all is counted.

        -1 if it is inside quotes to the end.
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
        """Lines, from and to, that may end inside quotes though they began outside."""
        for found in self._opening.finditer(text, first, last):
            yield text.rfind(_LINE_END, 0, found.start()) + 1, found.end()

    def _suspects_by_line(self, lines: list[bytes], first: int) -> Iterator[tuple[int, int]]:
        """The same of lines, of which the first is at ``first``."""
        quote = self._quote
        before = [line[(at := line.rfind(quote)) - 1 : at] for line in lines]
        if self._doubtful.isdisjoint(before):
            return
        numbers = [number for number, byte in enumerate(before) if byte in self._doubtful]
        # Fields with an even number of quotes change nothing: most lines can do without a closer look.
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
        """How many line ends lie inside quotes, and whether the text ends outside, if all quotes open or close.

        None if any is text itself. Text begins with a record. In half of the time of a closer look at every line.
        """
        pieces = text.split(self._quote)
        closed = len(pieces) % 2 == 1
        # One quote stands for each section in quotes, and what is next to it is next to the section.
        outside = self._quote.join(pieces[::2] if closed else [*pieces[::2], b""])
        kinds = outside.translate(self._kinds)
        # Both are searched from the end: CPython is faster so.
        if kinds.rfind(b"xq") >= 0 or kinds.rfind(b"qx") >= 0:
            return None
        return _line_ends(text) - _line_ends(outside), closed

    def _after(self, state: int, text: bytes) -> int:
        """The state after any text whose line ends are LF."""
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
        """The state after a text that ends outside quotes, and not with a quote."""
        if text.endswith(_LINE_END):
            return START
        return FIELD_START if text.endswith(self._delimiter) else IN_FIELD

    def _inside(self, state: int, body: bytes) -> bool:
        """Whether the body ends inside quotes: toggles are counted from the end back to what has no doubt."""
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
    """The data with LF for all line ends, some of them maybe twice."""
    if b"\r" not in data:
        return data
    mixed = data.endswith(b"\r") or _LONE_RETURN.search(data)
    return data.replace(b"\r", _LINE_END if mixed else b"")


def _line_ends(text: bytes) -> int:
    """As bytes.count, in less than half its time where lines are long."""
    return len(text) - len(text.replace(_LINE_END, b""))
