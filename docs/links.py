"""A hook of MkDocs: a link to a file of the repository that is not a page becomes its text.

The site is built without the repository around it. Links between pages stay, and MkDocs checks them. A link to a file
that does not exist is a warning, which ``--strict`` makes an error.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]*)(#[^)]*)?\)")
_log = logging.getLogger("mkdocs.hooks.links")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: object) -> str:
    """Replace links that lead out of ``docs``."""
    folder = posixpath.dirname(page.file.src_uri)

    def kept(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        if not target.startswith(".."):
            return link[0]
        if not Path(config["docs_dir"], target).exists():
            _log.warning("%s: the link to %s leads nowhere", page.file.src_uri, link[2])
        return link[1]

    return _LINK.sub(kept, markdown)
