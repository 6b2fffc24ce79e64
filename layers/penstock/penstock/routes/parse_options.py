"""Read ``parse`` of a route: how its files are parsed into records."""

from __future__ import annotations

import re

from penstock.errors import InvalidRouteError
from penstock.model.encoding_names import encoding_named
from penstock.model.fixed_layout import read_layout
from penstock.model.parse_options import MOST_LINES, Extra, Format, LineLength, ParseOptions, Trim, Units
from penstock.routes.csv_body import MOST_FOOTER_LINES, check_body, read_quote
from penstock.routes.fields import Fields
from penstock.routes.sheets import check_sheets, read_header, read_sheet, read_skip_rows

XML_OPTIONS = ("record", "namespaces", "repeated")
_PREFIX = re.compile(r"[^\W\d][\w.-]*")
FIXED_OPTIONS = ("fields", "units", "record_prefix", "line_length", "trim")


def read_parse_options(fields: Fields) -> ParseOptions:
    """Read the ``parse`` table. Raises InvalidRouteError, which names the field."""
    header, find_header = read_header(fields)
    options = ParseOptions(
        format=Format(fields.choice("format", list(Format), Format.AUTO)),
        delimiter=_character(fields, "delimiter", ","),
        quote=read_quote(fields, _character(fields, "quote", '"')),
        escape=_character(fields, "escape", ""),
        header=header,
        find_header=find_header,
        columns=fields.texts("columns", ()),
        encoding=fields.text("encoding", "utf-8"),
        records=fields.text("records", ""),
        sheet=read_sheet(fields),
        skip_rows=read_skip_rows(fields),
        range=fields.text("range", ""),
        max_record=fields.size("max_record", ParseOptions().max_record),
        fields=fields.texts("fields", ()),
        units=Units(fields.choice("units", list(Units), Units.CHARACTERS)),
        record_prefix=fields.text("record_prefix", ""),
        line_length=LineLength(fields.choice("line_length", list(LineLength), LineLength.PADDED)),
        trim=Trim(fields.choice("trim", list(Trim), Trim.RIGHT)),
        record=fields.text("record", ""),
        namespaces=tuple(f"{prefix}={name}" for prefix, name in fields.named_texts("namespaces").items()),
        repeated=fields.texts("repeated", ()),
        skip_lines=fields.whole("skip_lines", 0, most=MOST_LINES),
        delimiter_stated=fields.has("delimiter"),
        comment=_character(fields, "comment", ""),
        skip_footer=fields.whole("skip_footer", 0, most=MOST_FOOTER_LINES),
        footer=fields.text("footer", ""),
        extra=Extra(fields.choice("extra", list(Extra), Extra.REJECT)),
    )
    try:
        encoding_named(options.encoding)
    except InvalidRouteError as error:
        raise fields.complain("encoding", f"{error.message}. {error.hint}") from error
    if options.escape and (not options.escape.isascii() or options.escape in (options.delimiter, options.quote)):
        raise fields.complain(
            "escape", f"must be an ASCII character other than delimiter and quote, not {options.escape!r}"
        )
    if not (options.header or options.columns):
        raise fields.complain("columns", "are required without a header")
    if options.skip_lines and options.format not in (Format.AUTO, Format.CSV):
        raise fields.complain("skip_lines", f'is for format = "{Format.CSV}"')
    check_sheets(fields, options)
    check_body(fields, options)
    _check_fixed(fields, options)
    _check_xml(fields, options)
    fields.refuse_unknown()
    return options


def _check_fixed(fields: Fields, options: ParseOptions) -> None:
    """Check the options of fixed-width fields. A name such as ``a.fwf`` may choose the format later."""
    if options.format is Format.FIXED or (options.format is Format.AUTO and options.fields):
        try:
            read_layout(options.fields)
        except InvalidRouteError as error:
            raise fields.complain("fields", error.message) from error
    elif given := [name for name in FIXED_OPTIONS if fields.has(name)]:
        raise fields.complain(given[0], f'is for format = "{Format.FIXED}"')
    if options.record_prefix and (not options.record_prefix.strip() or set(options.record_prefix) & set("\r\n")):
        raise fields.complain("record_prefix", f"must be the start of a line, not {options.record_prefix!r}")
    is_wide = encoding_named(options.encoding).startswith(("utf-16", "utf-32"))
    if options.units is Units.BYTES and is_wide:
        raise fields.complain("units", f"bytes are no positions in {options.encoding}: count characters")
    try:
        options.record_prefix.encode(options.encoding)
    except UnicodeError as error:
        raise fields.complain("record_prefix", f"{options.record_prefix!r} cannot be {options.encoding}") from error


def _character(fields: Fields, field: str, default: str) -> str:
    value = fields.text(field, default)
    if value != default and (len(value) != 1 or value in "\r\n\0"):
        raise fields.complain(field, f"must be one character, not {value!r}")
    return value


def _check_xml(fields: Fields, options: ParseOptions) -> None:
    """Check the options of XML. A name such as ``a.xml`` may choose the format later."""
    if options.format is Format.XML or (options.format is Format.AUTO and options.record):
        names = options.record.removeprefix("/").split("/")
        if not options.record.startswith("/") or not all(names) or any(set(name) & set("@*[] ") for name in names):
            example = 'the path from the root to the records, such as "/orders/order"'
            raise fields.complain("record", f"must be {example}, not {options.record!r}")
    elif given := [name for name in XML_OPTIONS if fields.has(name)]:
        raise fields.complain(given[0], f'is for format = "{Format.XML}"')
    prefixes = [each.partition("=")[0] for each in options.namespaces]
    names = [each.partition("=")[2] for each in options.namespaces]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise fields.complain("namespaces", f"give two prefixes to {doubled[0]!r}")
    if wrong := [prefix for prefix in prefixes if not _PREFIX.fullmatch(prefix)]:
        raise fields.complain("namespaces", f"{wrong[0]!r} cannot be a prefix")
