"""Which keys may become files. None ever leaves the folder that it is meant for."""

from __future__ import annotations

import os
from collections.abc import Iterable

from penstock.files.temporary_names import is_temporary

# POSIX allows a backslash in names, and so keeps it; on Windows it separates, as a drive's colon does.
_SEPARATING = frozenset("\\:") if os.sep == "\\" else frozenset()


def refusal(name: str, separating: Iterable[str] = _SEPARATING) -> str:
    """Why a name (a key relative to its prefix) cannot be a file under a folder; empty if it can.

    ``separating`` are characters other than ``/`` that the file system does not take literally.
    """
    parts = name.split("/")
    objections = (
        ("\0" in name, "the key holds a NUL, no file can be called so"),
        (any(character in name for character in separating), "the key holds a character that separates folders here"),
        (parts[0] == "", "the key would be an absolute path"),
        (".." in parts, "the key holds '..' and would leave the folder"),
        ("." in parts, "the key holds '.' as a folder"),
        (parts[-1] == "", "the key ends with '/', which only an empty folder marker may"),
        ("" in parts, "the key holds '//', a folder without a name"),
        (is_temporary(name), "Penstock calls files so while it writes them; leave the key out with --exclude"),
    )
    return next((reason for applies, reason in objections if applies), "")


class Ancestors:
    """Finds names that would need a file to be a folder: ``a/b`` where ``a`` is an object too.

    To be asked for names in the order of a listing (by UTF-8 bytes): names that begin alike then stand together.
    """

    def __init__(self) -> None:
        self._open: list[str] = []

    def file_above(self, name: str) -> str:
        """The name given before that is a file where ``name`` needs a folder; empty if there is none."""
        while self._open and not name.startswith(self._open[-1]):
            self._open.pop()
        found = next((above for above in self._open if name[len(above) :].startswith("/")), "")
        if not found:
            self._open.append(name)
        return found
