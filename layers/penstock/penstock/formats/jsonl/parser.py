"""Parse JSON Lines (https://jsonlines.org) into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.formats.batching import gather
from penstock.formats.json.values import DECODERS, UNDECODABLE, decoders, spelling_of, why_not
from penstock.formats.line_cutter import LineCutter
from penstock.formats.long_lines import BLANK
from penstock.formats.window import Window
from penstock.model.load import Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.span import Within

# NaN separates the lines of a piece that is decoded at once: no valid line can contain it, and no line can close a
# bracket of another across it. This saves a quarter to a third of the time, and lines share the strings of their keys.
_BETWEEN = object()
_JOINED = decoders(lambda _: _BETWEEN)


def parse_json_lines(
    chunks: Iterable[bytes],
    options: ParseOptions,
    *,
    batch_bytes: int,
    resume: Resume,
    within: Within | None = None,
) -> Iterator[Batch]:
    """Yield batches whose rows are the decoded values of the lines: mappings if they are records. Blank lines are not
    records.

    Floats are Decimal, and their text is the file's. The last value of a repeated key counts. Rejects: lines that are
    not JSON (NaN and infinities are not), nested beyond the interpreter's stack, or over ``max_record``. Memory: three
    times the window (the larger of ``batch_bytes`` and ``max_record``, at most their sum), one chunk, and the rows of
    one batch.
    """
    feed = Window(chunks, options.encoding, within)
    resume = within.go_on(resume) if within else resume
    feed.skip_to(resume.offset)
    yield from gather(
        LineCutter(feed, JsonLines(feed.encoding.codec), options.max_record),
        names=(),
        resume=resume,
        batch_bytes=batch_bytes,
        max_record=options.max_record,
    )


class JsonLines:
    """Reads the values of lines. Implements ``LineReader``."""

    def __init__(self, codec: str) -> None:
        self._codec = codec

    def all(self, data: bytes) -> list[object] | None:
        if b"NaN" in data or b"Infinity" in data:
            return None
        try:
            text = data.decode(self._codec).strip(" \t\r\n")
            values = _JOINED[spelling_of(data)].decode(f"[{text}]".replace("\n", ",NaN,"))
        except UNDECODABLE:
            return None
        between = values[1::2]
        complete = len(between) == text.count("\n") == between.count(_BETWEEN)
        return values[::2] if complete else None

    def one(self, line: bytes) -> tuple[object, str]:
        text = line.decode(self._codec)
        try:
            return DECODERS[-1].decode(text), ""
        except UNDECODABLE as error:
            return None, why_not(error)

    def is_record(self, line: bytes) -> bool:
        return bool(line.strip(BLANK))

    def begins_record(self, start: bytes) -> bool:  # noqa: ARG002  # as LineReader says
        return True
