"""Walk through a JSON document that is not in memory as a whole: to its records, past values, to its end.

Skipped values are checked to be JSON (see `penstock.formats.json.skip`). Of a repeated key the last value counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from penstock.errors import BadDocumentError, RecordsMissingError, TruncatedSourceError
from penstock.formats.json.skip import pass_value
from penstock.formats.window import Window
from penstock.model.column import NAME_LENGTH

BLANK = " \t\r\n"

_MAX_KEY = 64 * 1024
# Keys in a message.
_LISTED = 5

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_IN_STRING = re.compile(r'["\\]')
_NESTED = re.compile(r'["\[{\]}]')
_SCALAR_END = re.compile(r"[ \t\r\n,\]}]")  # not \s: in Latin-1, bytes of longer characters look like whitespace


class ValueEnd:
    """Finds the end of a value in consecutive texts."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether the value may end here."""
        return not self._depth and not self._in_string

    def find(self, text: str, at: int) -> tuple[int, bool]:
        """Return how far the value goes, and whether it ends there. The rest belongs before the next text."""
        while at < len(text):
            if self._in_string:
                sign = _IN_STRING.search(text, at)
                if not sign:
                    return len(text), False
                if sign[0] == "\\":
                    if sign.end() == len(text):
                        return sign.start(), False
                    at = sign.end() + 1
                    continue
                self._in_string = False
            else:
                signs = _NESTED if self._depth or (not self._begun and text[at] in '"[{') else _SCALAR_END
                sign = signs.search(text, at)
                self._begun = True
                if not sign:
                    return len(text), False
                if not self._depth and sign[0] not in '"[{':
                    return sign.start(), True
                self._in_string = sign[0] == '"'
                self._depth += (sign[0] in "[{") - (sign[0] in "]}")
            at = sign.end()
            if self.complete:
                return at, True
        return at, False


def next_sign(feed: Window) -> bytes:
    """Return the next byte that is not whitespace, without passing it; empty at the end of the source."""
    while True:
        window, last = feed.window(4096)
        rest = window.lstrip(BLANK.encode())
        feed.advance(len(window) - len(rest))
        if rest or last:
            return rest[:1]


def members(feed: Window) -> Iterator[str]:
    """Yield the keys of an object after its bracket. The caller must pass each value before the next key."""
    if next_sign(feed) == b"}":
        feed.advance(1)
        return
    sign = b","
    while sign == b",":
        yield _key(feed)
        sign = pass_sign(feed, b",}")


def last_of_doubled(feed: Window, path: Sequence[str]) -> tuple[int, ...]:
    """Return for each key of a path how many of the same name come before the last one. Moves past the whole value.

    It ends where the path does in the document. Raises BadDocumentError and TruncatedSourceError.
    """
    if not path or next_sign(feed) != b"{":
        pass_value(feed)
        return ()
    feed.advance(1)
    before, found = 0, tuple[int, ...]()
    for key in members(feed):
        if key == path[0]:
            found = (before, *last_of_doubled(feed, path[1:]))
            before += 1
        else:
            pass_value(feed)
    return found


class OpenObject(NamedTuple):
    """An object on the path: its remaining keys, and the key that was chosen."""

    keys: Iterator[str]
    taken: str


def find_records(feed: Window, path: Sequence[str], doubled: Sequence[int]) -> list[OpenObject]:
    """Move to the value at a path. Return the objects that are open there, from the outermost.

    ``doubled``: how many keys of each name to skip (see `last_of_doubled`). Raises RecordsMissingError if there is no
    value.
    """
    opened = []
    for depth, key in enumerate(path):
        where = ".".join(path[:depth]) or "the top"
        sign = next_sign(feed)
        if not sign:
            raise cut_off(feed)
        if sign != b"{":
            raise RecordsMissingError(f"there is no object at {where}", offset=feed.offset)
        feed.advance(1)
        keys = members(feed)
        before = doubled[depth] if depth < len(doubled) else 0
        others: dict[str, None] = {}
        for found in keys:
            if found == key and not before:
                break
            before -= found == key
            if len(others) < _LISTED:
                others[found[:NAME_LENGTH]] = None
            pass_value(feed)
        else:
            has = f"; it has {', '.join(map(repr, others))}" if others else ""
            raise RecordsMissingError(f"the object at {where} has no {key!r}{has}", offset=feed.offset)
        opened.append(OpenObject(keys, key))
    return opened


def finish(feed: Window, opened: Sequence[OpenObject]) -> None:
    """Move from the records to the end of the source.

    Raises BadDocumentError if a key occurs again after the one that was taken for its last.
    """
    for keys, taken in reversed(opened):
        for key in keys:
            if key == taken:
                raise BadDocumentError(f"the key {key!r} appears again after the records", offset=feed.offset)
            pass_value(feed)
    if next_sign(feed):
        raise BadDocumentError(
            "more text follows the JSON document",
            offset=feed.offset,
            hint='If every line is a document, the format is JSON Lines: set parse.format = "jsonl".',
        )


def pass_sign(feed: Window, expected: bytes) -> bytes:
    """Move past one of the expected characters and return it."""
    sign = next_sign(feed)
    if not sign:
        raise cut_off(feed)
    if sign not in expected:
        names = " or ".join(repr(chr(byte)) for byte in expected)
        raise BadDocumentError(f"not JSON: {names} expected", offset=feed.offset)
    feed.advance(1)
    return sign


def cut_off(feed: Window) -> TruncatedSourceError:
    """Return the error for a source that ends too early."""
    return TruncatedSourceError("the source ends inside the JSON document", offset=feed.offset)


def _key(feed: Window) -> str:
    next_sign(feed)
    window, last = feed.window(_MAX_KEY)
    key = _STRING.match(window)
    if not key:
        if last and (not window or window.startswith(b'"')):
            feed.advance(len(window))
            raise cut_off(feed)
        raise BadDocumentError("not JSON: key expected", offset=feed.offset)
    try:
        name = str(json.loads(key[0].decode(feed.encoding.codec)))
    except UnicodeDecodeError as error:
        at = feed.offset + feed.encoding.source_length(key[0][: error.start])
        raise BadDocumentError(f"not {feed.encoding.name}", offset=at) from error
    except ValueError as error:
        raise BadDocumentError(f"not JSON: {error}", offset=feed.offset) from error
    feed.advance(key.end())
    pass_sign(feed, b":")
    return name
