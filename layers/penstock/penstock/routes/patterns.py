"""Split shell patterns into tokens, as fnmatch does."""

from __future__ import annotations

# The maximum characters of a pattern. Keys have at most half as many, and fnmatch searches from every bracket for the
# end of a set.
LONGEST = 2048


def tokens(pattern: str) -> list[str]:
    """Return the characters, wildcards and sets of a pattern. An opening bracket without an end is a character.

    Time is linear: after the last closing bracket, no end is searched for.
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
    """Return the end of the set that starts at ``at``, or -1. A ``]`` in first position belongs to the set."""
    first = at + 1
    first += pattern[first : first + 1] == "!"
    first += pattern[first : first + 1] == "]"
    return pattern.find("]", first) if first <= last else -1
