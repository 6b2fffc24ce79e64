"""``--include`` and ``--exclude`` with the semantics of the aws command.

Everything is included at first; every filter that matches decides anew, so the last one that matches wins. Patterns
match the whole name relative to the tree, case counts, and ``*`` and ``?`` match ``/`` too
(AWS CLI reference: "Use of Exclude and Include Filters").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``--include`` or ``--exclude``."""

    include: bool
    pattern: str


class Filters:
    """Rules in the order of the command line."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        # The last match decides: looked for from the end, the first one found is it.
        self._rules = [(re.compile(translate(rule.pattern)), rule.include) for rule in rules][::-1]

    def accept(self, name: str) -> bool:
        """Whether a name (relative, with ``/``) takes part: is moved, and may be deleted."""
        return next((include for pattern, include in self._rules if pattern.match(name)), True)
