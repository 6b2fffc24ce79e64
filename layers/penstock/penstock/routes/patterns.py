"""Shell patterns, taken apart as fnmatch does it."""

from __future__ import annotations

# Characters of a pattern. No key is half as long, and fnmatch looks for the end of a set from every bracket.
LONGEST = 2048


def tokens(pattern: str) -> list[str]:
    """Characters, wildcards and sets, each whole. A bracket that nothing closes is a character.

    It goes through the pattern once: behind the last closing bracket, none is looked for.
    """
    found = []
    last = pattern.rfind("]")
    at = 0
    while at < len(pattern):
        end = _set_end(pattern, at, last) if pattern[at] == "[" else -1
        found.append(pattern[at : end + 1] if end > 0 else pattern[at])
        at = max(at, end) + 1
    return found


def _set_end(pattern: str, at: int, last: int) -> int:
    """Where the set that opens here is closed; -1 where it is not. A first ``]`` belongs to the set."""
    first = at + 1
    first += pattern[first : first + 1] == "!"
    first += pattern[first : first + 1] == "]"
    return pattern.find("]", first) if first <= last else -1
