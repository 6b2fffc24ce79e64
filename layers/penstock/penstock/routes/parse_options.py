"""Read ``parse`` of a route: how its files are parsed into records."""

from __future__ import annotations

import codecs

from penstock.model.parse_options import Format, ParseOptions
from penstock.routes.fields import Fields


def read_parse_options(fields: Fields) -> ParseOptions:
    """Read the ``parse`` table. Raises InvalidRouteError, which names the field."""
    options = ParseOptions(
        format=Format(fields.choice("format", list(Format), Format.AUTO)),
        delimiter=_character(fields, "delimiter", ","),
        quote=_character(fields, "quote", '"'),
        escape=_character(fields, "escape", ""),
        header=fields.flag("header", True),  # noqa: FBT003  (the default)
        columns=fields.texts("columns", ()),
        encoding=fields.text("encoding", "utf-8"),
        records=fields.text("records", ""),
        sheet=fields.text("sheet", ""),
        max_record=fields.size("max_record", ParseOptions().max_record),
    )
    try:
        codecs.lookup(options.encoding)
    except LookupError as error:
        raise fields.complain("encoding", f"is not known: {options.encoding!r}") from error
    if options.escape and (not options.escape.isascii() or options.escape in (options.delimiter, options.quote)):
        raise fields.complain(
            "escape", f"must be an ASCII character other than delimiter and quote, not {options.escape!r}"
        )
    if not (options.header or options.columns):
        raise fields.complain("columns", "are required without a header")
    fields.refuse_unknown()
    return options


def _character(fields: Fields, field: str, default: str) -> str:
    value = fields.text(field, default)
    if value != default and (len(value) != 1 or value in "\r\n\0"):
        raise fields.complain(field, f"must be one character, not {value!r}")
    return value
