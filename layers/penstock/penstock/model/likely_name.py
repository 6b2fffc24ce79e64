"""The name that is probably meant by one that is nowhere: it differs by case, blanks or a letter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

# Names of a header that are compared, and characters of each: difflib takes quadratic time.
COMPARED, COMPARED_LENGTH = 1000, 100
# Missing names of a message.
LISTED = 10
# In a short name, one letter is a large share.
_SHORT = 5


def likely_name(name: str, names: Iterable[str]) -> str:
    """Return the name that is probably meant; empty if none is."""
    candidates = [each for each in islice(names, COMPARED) if len(each) <= COMPARED_LENGTH]
    alike = [each for each in candidates if _folded(each) == _folded(name)]
    if not alike and len(name) <= COMPARED_LENGTH:
        alike = get_close_matches(name, candidates, 1, cutoff=0.75 if len(name) <= _SHORT else 0.8)
    return alike[0] if alike else ""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the words for a message that suggest a name; empty if none is probably meant."""
    meant = likely_name(name, names)
    return f"; did you mean {meant!r}?" if meant else ""


def with_likely_names(lacking: Sequence[str], names: Sequence[str]) -> str:
    """List missing names, each with the one that is probably meant: ``'Nr' (did you mean 'nr'?), 'Day'``."""
    listed = []
    for name in lacking[:LISTED]:
        meant = likely_name(name, names)
        listed.append(f"{name!r} (did you mean {meant!r}?)" if meant else repr(name))
    others = len(lacking) - LISTED
    return ", ".join(listed) + (f" and {others:,} {'other' if others == 1 else 'others'}" if others > 0 else "")


def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
