"""Read what ``parse`` of a route says of the records of a CSV: quoting, comments, and the footer."""

from __future__ import annotations

import re

from penstock.model.parse_options import Format, ParseOptions
from penstock.routes.endless_repeats import endless_repeat
from penstock.routes.fields import Fields

# A footer of more lines does not fit its bytes.
MOST_FOOTER_LINES = 10_000
STANDARD, NONE = "standard", "none"

_OPTIONS = ("quoting", "comment", "extra")
_FOOTERS = ("skip_footer", "footer")


def read_quote(fields: Fields, quote: str) -> str:
    """Return the quote character; empty if quotes are text."""
    if fields.choice("quoting", (STANDARD, NONE), STANDARD) == STANDARD:
        return quote
    if fields.has("quote"):
        raise fields.complain("quote", f'means nothing with quoting = "{NONE}": remove one of them')
    return ""


def check_body(fields: Fields, options: ParseOptions) -> None:
    """Raises InvalidRouteError if the options cannot hold together."""
    given = [name for name in _OPTIONS if fields.has(name)]
    if given and options.format not in (Format.AUTO, Format.CSV):
        raise fields.complain(given[0], f'is for format = "{Format.CSV}"')
    footers = [name for name in _FOOTERS if fields.has(name)]
    if footers and options.format not in (Format.AUTO, Format.CSV, Format.XLSX):
        raise fields.complain(footers[0], f'is for format = "{Format.CSV}" and "{Format.XLSX}"')
    _check_signs(fields, options)
    comment = options.comment
    if comment and (not comment.isascii() or comment in (options.delimiter, options.quote, options.escape)):
        raise fields.complain(
            "comment", f"must be an ASCII character other than delimiter, quote and escape, not {comment!r}"
        )
    if options.footer:
        _check_footer(fields, options)


def _check_signs(fields: Fields, options: ParseOptions) -> None:
    """Check that delimiter and quote exist in the encoding, and that they differ. Comments and footers are found in
    bytes: they need signs of one byte, or of ASCII."""
    if options.format not in (Format.AUTO, Format.CSV):
        return
    if options.quote == options.delimiter:
        name, other = ("quote", "delimiter") if fields.has("quote") else ("delimiter", "quote")
        raise fields.complain(name, f"must differ from the {other}, {options.quote!r}")
    for name, sign in (("delimiter", options.delimiter), ("quote", options.quote)):
        try:
            size = len(sign.encode(options.encoding))
        except UnicodeError as error:
            raise fields.complain(name, f"{sign!r} does not exist in {options.encoding}") from error
        if size > 1 and not sign.isascii() and (options.comment or options.footer):
            needs = "comment" if options.comment else "footer"
            raise fields.complain(needs, f"needs a {name} of one byte, and {sign!r} has more in {options.encoding}")


def _check_footer(fields: Fields, options: ParseOptions) -> None:
    if options.skip_footer:
        raise fields.complain("footer", "cannot be used with skip_footer: remove one of them")
    try:
        expression = re.compile(options.footer)
    except re.error as error:
        raise fields.complain("footer", f"must be a regular expression: {error}") from error
    if problem := endless_repeat(options.footer):
        raise fields.complain("footer", f"{problem}, which may take very long on a line: write it without")
    if expression.search(""):
        raise fields.complain("footer", f"must not match an empty line, as {options.footer!r} does")
    if others := set(expression.groupindex) - {"rows"}:
        raise fields.complain("footer", f'can have the group "rows", not {min(others)!r}')
