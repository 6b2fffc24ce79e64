"""The XML of a workbook's parts as a stream: elements by namespace and parent, and bounds on what a parser holds.

expat reads it, never as a tree. No DTD is allowed, so no entity can expand. Names come as ``namespace local-name``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from xml.parsers import expat

from penstock.errors import BadDocumentError
from penstock.limits import KIB

# Bytes of one tag, comment or processing instruction, which expat holds whole. The longest that Excel writes lists the
# 8,192 areas of a validation: 140 KiB. A tag of this size has 43,000 attributes at most: 20 MB while it is parsed.
TAG_BYTES = 256 * KIB
# Names, prefixes and namespaces of a part, which expat keeps to its end: 1 MB. Those of Excel have some 200.
NAMES = 2048
# Characters of a name with its namespace, which each element with it costs again. Excel's longest has 90.
NAME_LENGTH = 512
# Elements within elements: expat holds the tags that are open. Worksheets of Excel go 12 deep.
NESTING = 64

# Transitional and strict (ECMA-376 parts 1 and 4).
MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
OFFICE = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "http://purl.oclc.org/ooxml/officeDocument/relationships",
)
PACKAGE = ("http://schemas.openxmlformats.org/package/2006/relationships",)

# Each of these bytes is a character in the encodings that expat can be taught.
_BYTES = bytes(range(256))
_NATIVE = frozenset({"UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "ISO-8859-1", "US-ASCII"})

# Of xsd:unsignedInt.
_DIGITS = 10

Attributes = Mapping[str, str]


def new_parser(part: str) -> expat.XMLParserType:
    """A parser that refuses XML that no workbook holds. Raises BadDocumentError."""
    parser = expat.ParserCreate(namespace_separator=" ", intern={})
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_dtd
    parser.XmlDeclHandler = partial(_check_encoding, part)
    # Prefixes and namespaces are interned, and so counted, only where somebody asks for them.
    parser.StartNamespaceDeclHandler = _ignore
    return parser


def check_names(part: str, names: Iterable[str]) -> None:
    """Raises BadDocumentError where a parser has met too many names, or too long a one."""
    lengths = [len(name) for name in names if name]  # the default namespace has None for a prefix
    if len(lengths) > NAMES:
        raise BadDocumentError(f"{part} has more than {NAMES:,} names of elements and attributes", offset=0)
    if max(lengths, default=0) > NAME_LENGTH:
        raise BadDocumentError(f"{part} has a name of more than {NAME_LENGTH:,} characters", offset=0)


def namespace_of(part: str, name: str, root: str, namespaces: tuple[str, ...]) -> str:
    """The namespace of a part's outermost element. Raises BadDocumentError where that is not ``root``."""
    namespace, _, local = name.rpartition(" ")
    if local != root or namespace not in namespaces:
        raise BadDocumentError(f"{part} is not a {root}: its root element is {name[:200]!r}", offset=0)
    return namespace


class StartTags:
    """Collects in ``found`` the start tags whose path from the root is in ``wanted``, such as ``sheets/sheet``."""

    def __init__(
        self, part: str, parser: expat.XMLParserType, root: str, namespaces: tuple[str, ...], wanted: frozenset[str]
    ) -> None:
        self.found: list[tuple[str, Attributes]] = []
        self._part = part
        self._root = root
        self._namespaces = namespaces
        self._prefix = ""
        self._wanted = wanted
        self._known = {path[:end] for path in wanted for end, sign in enumerate(f"{path}/") if sign == "/"}
        # The paths of the elements that are open, None for what leads to no wanted one.
        self._open: list[str | None] = []
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end

    def _start(self, name: str, attributes: Attributes) -> None:
        if len(self._open) == NESTING:
            raise BadDocumentError(f"{self._part} has more than {NESTING} elements within each other", offset=0)
        if not self._open:
            self._prefix = namespace_of(self._part, name, self._root, self._namespaces) + " "
            return self._open.append("")
        parent = self._open[-1]
        path = None
        if parent is not None and name.startswith(self._prefix):
            local = name[len(self._prefix) :]
            path = f"{parent}/{local}" if parent else local
        self._open.append(path if path in self._known else None)
        if path in self._wanted:
            self.found.append((path or "", attributes))
        return None

    def _end(self, _: str) -> None:
        self._open.pop()


class Skipper:
    """Skips elements without a meaning here, with their content."""

    def __init__(self, part: str, parser: expat.XMLParserType) -> None:
        self._part = part
        self._parser = parser
        self._depth = 0
        self._handlers: tuple[Any, Any, Any] = None, None, None

    def skip(self) -> None:
        """Call it in the element's start handler; after its end the parser has its present handlers again."""
        parser = self._parser
        self._handlers = parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler
        self._depth = 1
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = None

    def _start(self, *_: object) -> None:
        self._depth += 1
        if self._depth > NESTING:
            raise BadDocumentError(f"{self._part} has more than {NESTING} elements within each other", offset=0)

    def _end(self, _: str) -> None:
        self._depth -= 1
        if not self._depth:
            parser = self._parser
            parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = self._handlers


class ByteCount:
    """Bounds a table that is built from a workbook: its entries, and the characters in them."""

    # Together a few MB in the smallest function, also where each character takes four bytes.
    CHARACTERS = 1024 * KIB

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._entries = 0
        self._characters = 0

    def add(self, *texts: str) -> None:
        """Raises BadDocumentError where there are too many."""
        self._entries += 1
        self._characters += sum(map(len, texts))
        if self._entries > self._most or self._characters > self.CHARACTERS:
            raise BadDocumentError(
                f"the workbook has more than {self._most:,} {self._what}, or too long ones", offset=0
            )


def whole(text: str, what: str) -> int:
    """A number of XML (xsd:unsignedInt). Raises BadDocumentError where the text is not a number."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        raise BadDocumentError(f"{text[:40]!r} is not a {what}", offset=0)
    return int(digits)


def _check_encoding(part: str, _: str, encoding: str | None, __: int) -> None:
    if encoding and encoding.upper() not in _NATIVE and not _is_single_byte(encoding):
        raise BadDocumentError(
            f"{part} is encoded in {encoding[:40]!r}: a workbook's XML is UTF-8 or UTF-16",
            offset=0,
            hint="Save the workbook again in a spreadsheet program.",
        )


def _is_single_byte(encoding: str) -> bool:
    try:
        return len(_BYTES.decode(encoding, "replace")) == len(_BYTES)
    except (LookupError, UnicodeError):
        return False


def _refuse_dtd(*_: object) -> None:
    raise BadDocumentError("the workbook declares a DTD", offset=0)


_ignore: Callable[..., None] = lambda *_: None  # noqa: E731  # as a handler, nothing more
