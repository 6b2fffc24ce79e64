"""Numbers as people and accounts write them: ``1.234,56``, ``(12.00)``, ``12,5 %``, ``€ 5``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from penstock.model.typed_text import Typed
from penstock.model.value_rules import Negative, Percent, ValueRules
from penstock.tables.column_kinds import Cells, FloatKind, shown
from penstock.tables.conversions import Conversion

# Blanks that may stand between a number and its sign.
BLANKS = " \u00a0\u202f"
# Shapes to remember; a column of numbers has some dozens.
REMEMBERED = 4096

# Two digits less behind the point: 12.5 % is 12.5e-2.
_PERCENT = "e-2"
_TRAILING = re.compile(r"^(.+)-$", re.MULTILINE)


class NumberConversion(Conversion):
    """Numbers in the form that the rules declare.

    Digits are in groups or not: ``1.234.567,8`` and ``1234567,8`` are numbers, ``1.23.456`` and ``0.123`` (of the
    thousands ``.``) are not. Groups have one sign between them throughout. There is at most one sign of each kind.
    """

    _groups: ClassVar = {
        False: "[0-9]{{1,3}}(?P<sep>{sep})[0-9]{{3}}(?:(?P=sep)[0-9]{{3}})*",
        True: "[0-9]{{1,2}}(?P<sep>{sep})(?:[0-9]{{2}}(?P=sep))*[0-9]{{3}}",
    }

    def __init__(self, rules: ValueRules, *, floating: bool = False) -> None:
        self.rules = rules
        self.floating = floating
        self.pattern = re.compile(_pattern(rules, self._groups[rules.indian]), re.ASCII)
        self.currency = sorted(rules.currency, key=len, reverse=True)
        separators = "".join(map(re.escape, rules.thousands))
        # A zero at the start of groups: 0.123 is more likely the fraction of another writer.
        before = rf"(?<![0-9{re.escape(rules.decimal)}{separators}])"
        self.leading_zero = re.compile(rf"{before}0[0-9]{{0,2}}[{separators}]") if separators else None
        self.removed = str.maketrans("", "", "".join(rules.thousands) + BLANKS + "+)")
        self.known: dict[bytes, bool] = {}
        self.form = _described(rules)

    def one(self, text: str) -> str:
        if isinstance(text, Typed) or (self.floating and FloatKind.special.fullmatch(text)):
            return text
        found = self._match(text.strip())
        if not found or (found["grouped"] and found["number"].startswith("0")):
            raise ValueError(f"{shown(text)} is not a number with {self.form}")
        number = found["number"].translate(self.removed).replace(self.rules.decimal, ".")
        negative = any(found[name] == "-" for name in _SIGNS) or bool(found["open"])
        shift = _PERCENT if self.rules.percent is Percent.FRACTION else ""
        return f"{'-' if negative else ''}{number}{shift}"

    def all(self, texts: Sequence[str]) -> Sequence[str] | None:
        kinds = set(map(type, texts))
        if Typed in kinds:
            return texts if kinds == {Typed} else None
        cells = Cells(texts)
        joined = cells.joined
        if not all(map(self._is_known, cells.shapes())) or joined.count("\n") != len(texts) - 1:
            return None
        if self.leading_zero and self.leading_zero.search(joined):
            return None
        for sign in self.currency:
            joined = joined.replace(sign, "")
        if self.rules.negative or self.rules.percent or self.currency:
            joined = self._without_signs(joined)
        for blank in BLANKS if self.currency or self.rules.percent else " ":
            joined = joined.replace(blank, "")
        for separator in self.rules.thousands:
            joined = joined.replace(separator, "")
        return joined.replace(self.rules.decimal, ".").split("\n")

    def _without_signs(self, joined: str) -> str:
        rules = self.rules
        for blank in BLANKS:
            joined = joined.replace(blank, "")
        if Negative.TRAILING in rules.negative:
            if rules.percent:
                joined = joined.replace("-%", "%-").replace("+%", "%+")
            joined = _TRAILING.sub(r"-\1", joined.replace("+\n", "\n").removesuffix("+"))
        if Negative.PARENTHESES in rules.negative:
            joined = joined.replace("(", "-").replace(")", "")
        return joined.replace("%", _PERCENT if rules.percent is Percent.FRACTION else "")

    def _is_known(self, shape: bytes) -> bool:
        """Whether texts of this shape are numbers, but for zeros at the start of groups."""
        known = self.known.get(shape)
        if known is None:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            known = self.known[shape] = bool(self._match(shape.decode("utf-8", "surrogatepass").strip(" ")))
        return known

    def _match(self, text: str) -> re.Match[str] | None:
        found = self.pattern.fullmatch(text)
        if (
            not found
            or bool(found["open"]) != bool(found["close"])
            or sum(bool(found[name]) for name in (*_SIGNS, "open")) > 1
            or sum(bool(found[name]) for name in _CURRENCIES) > 1
        ):
            return None
        return found


_SIGNS = ("first", "second", "third", "last")
_CURRENCIES = ("before", "inside", "behind", "after")


def _pattern(rules: ValueRules, groups: str) -> str:
    blank = f"[{BLANKS}]?"
    signs = "|".join(map(re.escape, sorted(rules.currency, key=len, reverse=True)))
    before, behind = (f"(?:(?:{signs}){blank})?", f"(?:{blank}(?:{signs}))?") if signs else ("", "")
    opening, closing = (r"\(?", r"\)?") if Negative.PARENTHESES in rules.negative else ("", "")
    trailing = "[+-]?" if Negative.TRAILING in rules.negative else ""
    point = re.escape(rules.decimal)
    exponent = "" if rules.percent else "(?:[eE][+-]?[0-9]{1,6})?"
    ungrouped = rf"(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+){exponent}"
    separators = "|".join(map(re.escape, rules.thousands))
    grouped = rf"{groups.format(sep=separators)}(?:{point}[0-9]+)?" if separators else "(?!)"
    return (
        rf"(?P<first>[+-]?)(?P<before>{before})(?P<open>{opening})(?P<inside>{before})(?P<second>[+-]?)"
        rf"(?P<number>(?P<grouped>{grouped})|{ungrouped})(?P<third>{trailing}){f'{blank}%' if rules.percent else ''}"
        rf"(?P<behind>{behind})(?P<close>{closing})(?P<after>{behind})(?P<last>{trailing})"
    )


def _described(rules: ValueRules) -> str:
    grouping = "Indian thousands" if rules.indian else "thousands"
    parts = [
        f"decimal {rules.decimal!r}",
        *([f"{grouping} {' or '.join(map(repr, rules.thousands))}"] if rules.thousands else []),
        *(["a percent sign"] if rules.percent else []),
        *([f"currency {' or '.join(map(repr, rules.currency))}"] if rules.currency else []),
        *([f"negative by {' or '.join(rules.negative)}"] if rules.negative else []),
    ]
    return ", ".join(parts)
