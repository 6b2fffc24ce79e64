"""The values of XML: records, and elements that are neither texts nor mappings alone."""

from __future__ import annotations

# The key of an element's own text.
TEXT = "#text"


class TextElement(dict[str, object]):
    """The attributes and the text of an element without others in it. For a column that is not JSON it is its text."""

    __slots__ = ()

    @property
    def text(self) -> str:
        return str(self.get(TEXT, ""))


class Several(list[object]):
    """The values of elements of one name."""

    __slots__ = ()


def without_attributes(value: object) -> object:
    """The text of an element without others in it, or those of several. Other values are unchanged."""
    if isinstance(value, TextElement):
        return value.text
    return Several(map(without_attributes, value)) if isinstance(value, Several) else value


class UntypedRecord(dict[str, object]):
    """A record whose values do not say of which type they are, as those of a CSV."""

    __slots__ = ()
