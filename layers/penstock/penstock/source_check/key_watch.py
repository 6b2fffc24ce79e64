"""Find keys that come twice in a source."""

from __future__ import annotations

from collections.abc import Sequence

# The rows whose keys are remembered: about 100 MB.
MOST = 1_000_000


class KeyWatch:
    """Remembers the keys of the first `MOST` rows. ``repeats`` counts rows whose key came before; ``checked``: rows
    that were compared. A key with a null is never a repeat, as in a unique index."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.repeats = 0
        self.checked = 0
        self.is_whole = True
        self._seen: set[int] = set()

    def add(self, keys: Sequence[Sequence[object]]) -> list[int]:
        """Add keys; return the positions of those that came before."""
        found = []
        for position, key in enumerate(keys):
            if len(self._seen) >= MOST:
                self.is_whole = False
                break
            self.checked += 1
            if None in key:
                continue
            # 64 bits: among a million keys, two are mistaken for one with a chance of 1 to 37 million.
            one = hash(tuple(key))
            if one in self._seen:
                found.append(position)
            self._seen.add(one)
        self.repeats += len(found)
        return found
