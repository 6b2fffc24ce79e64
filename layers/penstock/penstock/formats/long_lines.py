"""Lines that are longer than a record may be."""

from __future__ import annotations

from penstock.formats.window import Window

BLANK = b" \t\r\n"
_WINDOW = 256 * 1024


def pass_line(feed: Window) -> bool:
    """Move past the line that begins here, and return whether it has more than white space. Memory: one window."""
    filled, ended = False, False
    while not ended:
        window, last = feed.window(_WINDOW)
        line_end = window.find(b"\n") + 1
        ended = last or line_end > 0
        filled = filled or bool(window[: line_end or len(window)].strip(BLANK))
        feed.advance(line_end or len(window))
    return filled
