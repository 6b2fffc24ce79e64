"""Explain why none of the first records of a source is good. Each format's folder has the causes of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from penstock.model.parse_options import ParseOptions
from penstock.model.record import Reject

# The number of rejects whose reasons a message contains.
SHOWN = 3
# A byte that could not be decoded, in the raw text of a reject.
UNDECODED = re.compile(r"\\x[89a-f][0-9a-f]")


def reasons(rejects: Sequence[Reject]) -> str:
    """Return the position and the reason of the first rejects."""
    return "; ".join(
        f"row {reject.position.row:,} (byte {reject.position.offset:,}): "
        + (f"{reject.column}: {reject.reason}" if reject.column else reject.reason)
        for reject in rejects[:SHOWN]
    )


def lines_at(pieces: Iterable[bytes], offset: int) -> tuple[int, int]:
    """Return the numbers of the first line that is not blank, and of the line that begins at this byte."""
    before = b""
    for piece in pieces:
        before += piece
        if len(before) >= offset:
            break
    before = before[:offset]
    blank = before[: len(before) - len(before.lstrip(b"\r\n"))]
    return 1 + blank.count(b"\n"), 1 + before.count(b"\n")


def encoding_advice(options: ParseOptions, rejects: Sequence[Reject]) -> list[str]:
    """Advise to set the encoding if the first rejects hold bytes that could not be decoded."""
    if not any(UNDECODED.search(reject.position.raw) for reject in rejects[:SHOWN]):
        return []
    return [f"The text is not {options.encoding}: set its encoding, such as cp1252 or latin-1."]
