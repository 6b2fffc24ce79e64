"""Patterns of policies, in which ``*`` matches any characters and ``?`` one, compared with each other.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from functools import lru_cache


def covers(pattern: str, wanted: str, *, ignore_case: bool = False) -> bool:
    """Whether ``pattern`` matches everything that ``wanted`` matches. False if that is not certain.

    A ``*`` in ``wanted`` stands for a character that only a ``*`` can match.
    """
    return bool(_compiled(pattern, ignore_case).fullmatch(wanted.replace("*", "\0")))


def meets(pattern: str, wanted: str) -> bool:
    """Whether some text matches both patterns."""
    # The positions in ``wanted`` that the part of ``pattern`` read so far may have reached.
    reached = _after_stars({0}, wanted)
    for letter in pattern:
        if letter == "*":
            reached = set(range(min(reached), len(wanted) + 1)) if reached else reached
        else:
            reached = _after_stars(_step(reached, wanted, letter), wanted)
    return len(wanted) in reached


def _step(reached: set[int], wanted: str, letter: str) -> set[int]:
    found = set()
    for at in reached:
        if at == len(wanted):
            continue
        if wanted[at] == "*":
            found.add(at)
        elif letter in {"?", wanted[at]} or wanted[at] == "?":
            found.add(at + 1)
    return found


def _after_stars(reached: set[int], wanted: str) -> set[int]:
    """Add the positions behind stars, which may match nothing."""
    found = set()
    for start in reached:
        at = start
        found.add(at)
        while at < len(wanted) and wanted[at] == "*":
            at += 1
            found.add(at)
    return found


@lru_cache(maxsize=1024)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    text = "".join(".*" if letter == "*" else "[^\0]" if letter == "?" else re.escape(letter) for letter in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
