"""Texts of values that have a type of their own in the source."""

from __future__ import annotations


class Typed(str):
    """The text of a value whose type is known without it: a number of JSON or of a workbook, or a default. It is in the
    usual form, whatever the form of the column's texts."""

    __slots__ = ()


class JsonText(str):
    """A text that the source declares to be JSON. A column of type json takes it as it is."""

    __slots__ = ()
