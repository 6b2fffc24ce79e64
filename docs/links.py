"""A hook of MkDocs: a link to a file of the repository that is no page becomes its text.

The site is built without the repository around it. Links between pages stay, and `make docs` checks them.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)]*)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Replace links that lead out of ``docs``."""
    folder = posixpath.dirname(page.file.src_uri)

    def kept(link: re.Match[str]) -> str:
        inside = not posixpath.normpath(posixpath.join(folder, link[2])).startswith("..")
        return link[0] if inside else link[1]

    return _LINK.sub(kept, markdown)
