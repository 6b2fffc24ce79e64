"""Which names of members are delivered. The rule is the same for every archive format, and for every destination.

A name becomes a part of a key or of a path, so it must stay below the place that the route gives it. What does not is
skipped and listed with its reason, and never delivered under another name.
"""

from __future__ import annotations

import re

# A key of S3 has at most 1,024 bytes. The key of the archive, or a prefix, stands before the name.
MAX_NAME = 1024

# A name that matches is not delivered, and why.
_REFUSED = (
    (re.compile(r"$"), "it has no name"),
    (re.compile(r"/"), "its name is absolute"),
    (re.compile(r".*[\x00-\x1f\x7f-\x9f]", re.DOTALL), "its name has a control character"),
    (re.compile(r".*\\"), "its name has a backslash"),
    (re.compile(r"[A-Za-z]:"), "its name starts with a drive letter"),
    (re.compile(r"(.*/)?\.\.(/|$)"), "its name leads out of the archive (..)"),
    (re.compile(r".*[\ud800-\udfff]"), "its name is not valid Unicode"),
)


# What the names of a million members mostly look like, so that they need one look. A character has at most four bytes.
_USUAL = re.compile(r"\w[\w/ .-]{0,254}")
_DOTS = (".", "/.")


def plain_name(name: str) -> str:
    """Return the name without segments that are ``.`` or empty: ``./a//b`` -> ``a/b``. An absolute name stays one.

    The ``/`` at the end of a folder stays.
    """
    if "//" not in name and "./" not in name and name[:1] != "/" and name[-2:] not in _DOTS:
        return name  # as most are
    head, tail = ("/" if name.startswith("/") else ""), ("/" if name.endswith("/") else "")
    segments = "/".join(segment for segment in name.split("/") if segment not in ("", "."))
    return head + segments + (tail if segments else "")


def name_refusal(name: str) -> str:
    """Return why no member with this name is delivered; empty if it is. Expects a name from `plain_name`."""
    if _USUAL.fullmatch(name) and ".." not in name:
        return ""
    refused = next((reason for pattern, reason in _REFUSED if pattern.match(name)), "")
    if not refused and len(name.encode()) > MAX_NAME:
        return f"its name is longer than {MAX_NAME:,} bytes"
    return refused
