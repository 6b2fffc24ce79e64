"""Why none of the first records of a source is good. What concerns one format is in its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from penstock.model.parse_options import ParseOptions
from penstock.model.record import Reject

# Rejects whose reasons a message gives.
SHOWN = 3
# How the raw text of a reject writes a byte that could not be decoded.
UNDECODED = re.compile(r"\\x[89a-f][0-9a-f]")


def reasons(rejects: Sequence[Reject]) -> str:
    """The position and the reason of the first rejects."""
    return "; ".join(
        f"row {reject.position.row:,} (byte {reject.position.offset:,}): "
        + (f"{reject.column}: {reject.reason}" if reject.column else reject.reason)
        for reject in rejects[:SHOWN]
    )


def lines_at(pieces: Iterable[bytes], offset: int) -> tuple[int, int]:
    """The numbers of the first line that is not blank, and of the one that begins at this byte."""
    before = b""
    for piece in pieces:
        before += piece
        if len(before) >= offset:
            break
    before = before[:offset]
    blank = before[: len(before) - len(before.lstrip(b"\r\n"))]
    return 1 + blank.count(b"\n"), 1 + before.count(b"\n")


def encoding_advice(options: ParseOptions, rejects: Sequence[Reject]) -> list[str]:
    """To set the encoding, where the first rejects hold bytes that could not be decoded."""
    if not any(UNDECODED.search(reject.position.raw) for reject in rejects[:SHOWN]):
        return []
    return [f"The text is not {options.encoding}: set its encoding, such as cp1252 or latin-1."]
