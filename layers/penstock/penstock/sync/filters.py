"""``--include`` and ``--exclude`` with the semantics of the aws command.

Every file is included by default; the last filter that matches wins. Patterns match the full name relative to the
tree and are case-sensitive; ``*`` and ``?`` also match ``/`` (AWS CLI reference: "Use of Exclude and Include Filters").
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
        # Reversed: the last match decides.
        self._rules = [(re.compile(translate(rule.pattern)), rule.include) for rule in rules][::-1]

    def accept(self, name: str) -> bool:
        """Whether a relative name is included: it is transferred, and may be deleted."""
        return next((include for pattern, include in self._rules if pattern.match(name)), True)
