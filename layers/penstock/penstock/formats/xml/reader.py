"""Reads an XML document step by step (expat). Memory: one step, and one record of at most ``max_record``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import sub
from xml.parsers import expat

from penstock.errors import BadDocumentError, BadSourceError, RecordsMissingError, TruncatedSourceError
from penstock.formats.encoding import Encoding
from penstock.formats.window import Window
from penstock.formats.xml.elements import Attributes, FoundRecords, record_handlers
from penstock.formats.xml.names import BETWEEN, Naming
from penstock.limits import KIB
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT

# Bytes that expat gets at once.
_STEP = 64 * KIB
# Elements within elements: expat holds the tags that are open.
_DEEPEST = 200
# Names of elements and attributes, which expat keeps to its end.
_MOST_NAMES = 10_000
# Names of elements in a message.
_LISTED = 5
# How expat says that the document ends too early: no element, an open token, half a character, an open CDATA section.
_CUT_OFF = {3, 5, 6, 20}


@dataclass(slots=True)
class HeldText:
    """Readable bytes that are held: where they begin in all readable bytes, and in the source."""

    encoding: Encoding
    data: bytes
    passed: int
    offset: int

    def source_offset(self, index: int) -> int:
        """Return the offset in the source of a byte with this index among all readable bytes; those held for others."""
        at = min(max(0, index - self.passed), len(self.data))
        return self.offset + (self.encoding.source_length(self.data[:at]) if self.encoding.foreign else at)


def read_steps(feed: Window, options: ParseOptions) -> Iterator[tuple[HeldText, FoundRecords]]:
    """Yield the records that end in each step, with the bytes that hold them.

    Raises BadDocumentError and TruncatedSourceError at the fault, after all records before it, and RecordsMissingError
    at the end if there is no element where the records should be.
    """
    reader = _Reader(feed, options)
    last = False
    while not last:
        window, last = feed.window(_STEP)
        error = reader.read(window, last=last)
        feed.advance(len(window))
        found = reader.take()
        if found.values:
            yield reader.text, found
        if error:
            raise error
    reader.check_found()


def namespaces_of(options: ParseOptions) -> dict[str, str]:
    """Return the namespaces of a route by their prefixes."""
    pairs = (each.partition("=") for each in options.namespaces)
    return {prefix: namespace for prefix, _, namespace in pairs}


class _Reader:
    def __init__(self, feed: Window, options: ParseOptions) -> None:
        self._path = options.record.strip("/").split("/")
        self._max_record = options.max_record
        self._naming = Naming(namespaces_of(options), options.repeated)
        self._intern: dict[str, str] = {}
        self._parser = self._new_parser(feed.encoding)
        self._found = FoundRecords()
        deepest = _DEEPEST - len(self._path)
        self._record = record_handlers(self._parser, self._naming, self._found, deepest, self._refuse_depth)
        # The names of the open elements around the records, whether those are all, and what else is in the last one.
        self._open: list[str] = []
        self._in_parent = len(self._path) == 1
        self._had_parent = self._in_parent
        self._others: dict[str, None] = {}
        self._root = ""
        self._has_record = False
        self._is_blank = True
        # The elements that are open in a record that is too long; -1 if it is not.
        self._skipped = -1
        self.text = HeldText(feed.encoding, b"", 0, feed.offset)

    def read(self, window: bytes, *, last: bool) -> BadSourceError | None:
        """Read a step. Return the error in it, if there is one."""
        self._drop()
        self.text = replace(self.text, data=self.text.data + window)
        self._is_blank = self._is_blank and not window.strip()
        if self._is_blank and last:
            return None
        try:
            self._parser.Parse(window, last)
        except expat.ExpatError as error:
            return self._wrong(error, last=last)
        except BadSourceError as error:
            return error
        return self._check_size()

    def take(self) -> FoundRecords:
        """Return the records that have ended since the last call."""
        found = self._found
        count = len(found.values)
        taken = FoundRecords(
            found.starts[:count], found.ends[:], found.values[:], dict(found.faults), dict(found.heads)
        )
        if count and max(map(sub, taken.ends, taken.starts)) > self._max_record:
            for number, (start, end) in enumerate(zip(taken.starts, taken.ends, strict=True)):
                if end - start > self._max_record:
                    taken.faults[number] = f"longer than {self._max_record:,} bytes"
        self._has_record = self._has_record or count > 0
        del found.starts[:count]
        for each in (found.ends, found.values, found.faults, found.heads):
            each.clear()
        return taken

    def check_found(self) -> None:
        """Raises RecordsMissingError if there was no record, and the document is not one of none."""
        if self._is_blank or self._has_record or (self._had_parent and not self._others):
            return
        parent = "/" + "/".join(self._path[:-1])
        has = f"; it has {', '.join(self._others)}" if self._others else ""
        namespace, root = self._root.rpartition(BETWEEN)[0], self._naming.elements[self._root]
        at_root = f"; the root is {root}{f' of the namespace {namespace}' if namespace and ':' not in root else ''}"
        what = (
            f"{parent} has no element {self._path[-1]!r}{has}" if self._had_parent else f"there is no {parent}{at_root}"
        )
        hint = "Correct parse.record (the names of the elements from the root to the record) or parse.namespaces."
        raise RecordsMissingError(what, offset=0, hint=hint)

    def _new_parser(self, encoding: Encoding) -> expat.XMLParserType:
        parser = expat.ParserCreate(encoding.codec, BETWEEN, intern=self._intern)
        # Newer versions of expat put off a long token until twice as much of it has come. Here, its length is bounded.
        if defer := getattr(parser, "SetReparseDeferralEnabled", None):
            defer(False)  # noqa: FBT003  # of a library
        parser.buffer_text = True
        parser.buffer_size = _STEP
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartNamespaceDeclHandler = self._naming.note_namespace
        parser.StartElementHandler = self._start_outside
        parser.EndElementHandler = self._end_outside
        return parser

    def _start_outside(self, name: str, attributes: Attributes) -> None:
        short = self._naming.elements[name]
        self._root = self._root or name
        if self._in_parent:
            if short == self._path[-1]:
                self._record.begin(attributes)
                return
            if len(self._others) < _LISTED:
                self._others[short] = None
        self._open.append(short)
        if len(self._open) > _DEEPEST:
            self._refuse_depth()
        self._note_parent()

    def _end_outside(self, _: str) -> None:
        self._open.pop()
        self._note_parent()

    def _note_parent(self) -> None:
        self._in_parent = self._open == self._path[:-1]
        self._had_parent = self._had_parent or self._in_parent

    # A record that is too long is read to its end without being kept.

    def _skip(self) -> None:
        found, parser = self._found, self._parser
        start = found.starts[-1]
        at = start - self.text.passed
        found.heads[len(found.values)] = self.text.source_offset(start), self.text.data[at : at + 4 * RAW_LIMIT]
        self._skipped = self._record.depth()
        parser.StartElementHandler, parser.EndElementHandler = self._start_skipped, self._end_skipped
        parser.CharacterDataHandler = None

    def _start_skipped(self, *_: object) -> None:
        self._skipped += 1
        if len(self._path) + self._skipped > _DEEPEST:
            self._refuse_depth()

    def _end_skipped(self, _: str) -> None:
        if not self._skipped:
            parser = self._parser
            self._found.ends.append(parser.CurrentByteIndex)
            self._found.values.append({})
            parser.StartElementHandler, parser.EndElementHandler = self._start_outside, self._end_outside
        self._skipped -= 1

    def _check_size(self) -> BadDocumentError | None:
        """Bound what is held: the names, the token that is not complete, and the open record."""
        reached = self._parser.CurrentByteIndex
        if len(self._intern) > _MOST_NAMES:
            return self._bad(f"more than {_MOST_NAMES:,} names of elements and attributes")
        if self.text.passed + len(self.text.data) - reached > self._max_record + _STEP:
            return self._bad(f"a tag or a comment is longer than {self._max_record:,} bytes")
        if self._found.is_open and self._skipped < 0 and reached - self._found.starts[-1] > self._max_record:
            self._skip()
        return None

    def _drop(self) -> None:
        """Drop the bytes before the open record, or before the token that is not complete."""
        text = self.text
        needed = max(self._parser.CurrentByteIndex, text.passed)
        if self._found.is_open and self._skipped < 0:
            needed = min(needed, self._found.starts[-1])
        offset = text.source_offset(needed)
        self.text = HeldText(text.encoding, text.data[needed - text.passed :], needed, offset)

    def _refuse_doctype(self, *_: object) -> None:
        error = self._bad("the XML has a DOCTYPE, which is not read: a DTD can define entities without end")
        error.hint = "Remove the DOCTYPE from the file."
        raise error

    def _refuse_depth(self) -> None:
        raise self._bad(f"more than {_DEEPEST} elements within each other")

    def _bad(self, problem: str) -> BadDocumentError:
        parser = self._parser
        offset = self.text.source_offset(parser.CurrentByteIndex)
        return BadDocumentError(f"{problem} (line {parser.CurrentLineNumber:,})", offset=offset)

    def _wrong(self, error: expat.ExpatError, *, last: bool) -> BadSourceError:
        line = f"line {error.lineno:,}"
        if last and error.code in _CUT_OFF:
            end = self.text.source_offset(self.text.passed + len(self.text.data))
            return TruncatedSourceError(f"the source ends inside the XML document ({line})", offset=end)
        return BadDocumentError(
            f"not XML: {expat.ErrorString(error.code)} ({line}, column {error.offset + 1:,})",
            offset=self.text.source_offset(self._parser.ErrorByteIndex),
        )
