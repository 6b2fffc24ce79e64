"""Builds the values of records from the events of expat.

An element with nothing but text is its text. Any other one is a mapping: attributes as ``@name``, elements by name, in
a list if there are several of one name, and its own text as ``#text``. White space between elements is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from xml.parsers import expat

from penstock.formats.xml.names import DROPPED, NIL, Naming
from penstock.model.xml_values import TEXT, Several, TextElement, UntypedRecord

Attributes = Mapping[str, str]
Value = dict[str, Any]

_TRUE = ("true", "1")


@dataclass(slots=True)
class FoundRecords:
    """Records in order: the byte at which each begins, that of its end tag, and its value. The last may be open.

    ``faults``: why records are bad, by number. ``heads``: of those that are too long, offset and first bytes.
    """

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)
    heads: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return len(self.starts) > len(self.ends)


class RecordHandlers(NamedTuple):
    """``begin`` is to be called at the start of a record, with its attributes. From then to its end, expat calls the
    other handlers. ``depth`` is the number of elements that are open in the record."""

    begin: Callable[[Attributes], None]
    depth: Callable[[], int]


def record_handlers(  # noqa: C901, PLR0915  # closures, counted together: with methods, it takes a third longer
    parser: expat.XMLParserType, naming: Naming, found: FoundRecords, deepest: int, refuse: Callable[[], None]
) -> RecordHandlers:
    """Create the handlers, which add to ``found``. They call ``refuse`` if more than ``deepest`` elements are open.

    They do as little as possible: most of the time of parsing XML is theirs.
    """
    # The innermost element that has elements, and the number of texts before its own.
    current: Value = {}
    before = 0
    # The elements around it.
    around: list[tuple[Value, int]] = []
    # The attributes of an open element that has no element so far, and the number of texts before its own.
    attributes: Attributes | None = None
    before_leaf = 0
    # Texts that are not used yet, those of outer elements first.
    texts: list[str] = []
    fault = ""
    outside = parser.StartElementHandler, parser.EndElementHandler
    count, last_text, join = texts.__len__, texts.pop, "".join
    names, keys = naming.attributes, naming.keys

    def begin(given: Attributes) -> None:
        nonlocal current, before, attributes, fault
        found.starts.append(parser.CurrentByteIndex)
        around.clear()
        texts.clear()
        before, attributes, fault = 0, None, ""
        current = with_attributes(UntypedRecord(), given)
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = texts.append

    def start(_: str, given: Attributes) -> None:
        nonlocal current, before, attributes, before_leaf
        if attributes is not None:
            around.append((current, before))
            if len(around) > deepest:
                refuse()
            current = with_attributes({}, attributes) if attributes else {}
            before = before_leaf
        attributes = given
        before_leaf = count()

    def end(name: str) -> None:
        nonlocal current, before, attributes
        value: Any
        if attributes is not None:
            value = last_text() if count() == before_leaf + 1 else rest(before_leaf)
            if attributes:
                value = text_element(attributes, value)
            attributes = None
        else:
            if count() > before and not (text := rest(before)).isspace():
                current[TEXT] = text
            value = renamed(current) if naming.renames else current
            if not around:
                finish(value)
                return
            current, before = around.pop()
            if NIL in value and value.pop(NIL) in _TRUE:
                value = None
        key = keys[name]
        if key not in current:
            current[key] = value
        elif type(several := current[key]) is Several:
            several.append(value)
        else:
            current[key] = Several((several, value))

    def finish(value: Value) -> None:
        if fault:
            found.faults[len(found.values)] = fault
        found.ends.append(parser.CurrentByteIndex)
        found.values.append(value)
        parser.StartElementHandler, parser.EndElementHandler = outside
        parser.CharacterDataHandler = None

    def with_attributes(element: Value, given: Attributes) -> Value:
        nonlocal fault
        for full, value in given.items():
            element[names[full]] = value
        if len(element) < len(given):
            fault = fault or naming.attribute_clash(given)
        if naming.has_schema:
            element.pop(DROPPED, None)
        return element

    def text_element(given: Attributes, text: str) -> object:
        element = with_attributes(TextElement(), given)
        if naming.has_schema:
            if NIL in element and element.pop(NIL) in _TRUE:
                return None
            if not element:
                return text
        if text:
            element[TEXT] = text
        return element

    def renamed(element: Value) -> Value:
        nonlocal fault
        short, problem = naming.renamed(element)
        fault = fault or problem
        return short

    def rest(first: int) -> str:
        text = join(texts[first:])
        del texts[first:]
        return text

    def depth() -> int:
        return len(around) + (attributes is not None)

    return RecordHandlers(begin, depth)
