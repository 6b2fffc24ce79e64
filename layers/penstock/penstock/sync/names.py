"""Decide which keys may become files. No key may lead out of the destination folder."""

from __future__ import annotations

import os
from collections.abc import Iterable

from penstock.files.temporary_names import is_temporary

# POSIX allows a backslash in names. On Windows it is a separator, as is the colon of a drive.
_SEPARATING = frozenset("\\:") if os.sep == "\\" else frozenset()


def refusal(name: str, separating: Iterable[str] = _SEPARATING) -> str:
    """Return why a name (a key relative to its prefix) cannot be a file in a folder; empty if it can.

    ``separating`` are the characters other than ``/`` that separate folders in this file system.
    """
    parts = name.split("/")
    objections = (
        ("\0" in name, "the key contains a NUL, which no file name can contain"),
        (any(character in name for character in separating), "the key contains a folder separator of this system"),
        (parts[0] == "", "the key starts with '/' and would be an absolute path"),
        (".." in parts, "the key contains '..' and would leave the folder"),
        ("." in parts, "the key contains '.' as a folder"),
        (parts[-1] == "", "the key ends with '/' but the object is not empty, so it is not a folder marker"),
        ("" in parts, "the key contains '//', a folder without a name"),
        (is_temporary(name), "the name is reserved for Penstock's temporary files; leave the key out with --exclude"),
    )
    return next((reason for applies, reason in objections if applies), "")


class Ancestors:
    """Finds names that would need a file to be a folder: ``a/b`` if ``a`` is an object too.

    Names must come in the order of a listing (by UTF-8 bytes), in which names with the same prefix are adjacent.
    """

    def __init__(self) -> None:
        self._open: list[str] = []

    def file_above(self, name: str) -> str:
        """Return an earlier name that is a file where ``name`` needs a folder; empty if there is none."""
        while self._open and not name.startswith(self._open[-1]):
            self._open.pop()
        found = next((above for above in self._open if name[len(above) :].startswith("/")), "")
        if not found:
            self._open.append(name)
        return found
