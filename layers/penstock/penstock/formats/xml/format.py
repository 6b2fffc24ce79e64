"""The declaration of the format XML."""

from __future__ import annotations

from penstock.formats.format import RecordFormat
from penstock.formats.xml.parser import parse_xml
from penstock.model.parse_options import Format

FORMAT = RecordFormat(
    Format.XML,
    {"xml": {}},
    parse_xml,
    ignores=("delimiter", "quote", "escape", "header", "columns", "records", "sheet"),
    own=("record", "namespaces", "repeated"),
)
