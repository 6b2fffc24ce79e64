"""The rules that count the records of one CSV dialect."""

from __future__ import annotations

from penstock.formats.boundaries import Rules
from penstock.formats.csv.boundaries import CsvRules
from penstock.formats.csv.comments import CommentedRules
from penstock.formats.csv.escaped_boundaries import EscapedRules


def csv_rules(delimiter: bytes, quote: bytes, escape: bytes = b"", comment: bytes = b"") -> Rules:
    """Return the rules for these special bytes. Without a quote, quotes are text; the others may be missing, too."""
    plain = CsvRules(delimiter, quote)
    rules: Rules = EscapedRules(plain, escape) if escape else plain
    return CommentedRules(rules, comment) if comment else rules
