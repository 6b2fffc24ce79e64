"""Where a source can be entered, and how a pass that looks for such places goes on from one."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from penstock.codecs.model import Trace
from penstock.spans import Entry


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An entry, and all that a scan must know to go on from there in another process.

    ``window`` is what a decoder must know of what came before: the last up to 32 KiB of a gzip member, the header of an
    xz stream; empty at the start of one. ``crc`` and ``size`` are those of the member so far (of an xz stream: of its
    index, and blocks). ``crc32``, ``members`` and ``warnings`` are the trace's, of the whole source.
    """

    entry: Entry
    window: bytes = b""
    crc: int = 0
    size: int = 0
    crc32: int | None = None
    members: int = 0
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """At most 44 KB as text, and the warnings."""
        return asdict(self) | {"window": base64.b64encode(self.window).decode()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        read = {
            "entry": Entry(**value["entry"]),
            "window": base64.b64decode(value["window"]),
            "warnings": tuple(value["warnings"]),
        }
        return cls(**{**value, **read})


Note = Callable[[Checkpoint], None]


class Scan(Protocol):
    """A pass over the encoded ``chunks`` of a source that notes where it can be entered.

    Yields the content in pieces of at most ``step`` bytes, each valid until the next one is asked for. Without
    ``content``, what need not be decoded for the sizes to be known is passed over, and pieces may be empty.

    Entries lie at least ``spacing`` decoded bytes apart, the first at 0. One is noted after the piece that ends there
    and before the next. With ``checkpoint``, ``chunks`` begin at its entry, and the scan goes on as if it had never
    stopped: same entries, same checksums, offsets in the whole source. Its entry is not noted again.

    Raises BadSourceError with the offset.
    """

    def __call__(
        self,
        chunks: Iterable[bytes],
        trace: Trace,
        step: int,
        *,
        spacing: int,
        note: Note,
        checkpoint: Checkpoint | None = None,
        content: bool = True,
    ) -> Iterator[bytes | memoryview]: ...


class Enter(Protocol):
    """Yields the content from ``entry`` to the end of the source, in pieces of 1 to ``step`` bytes.

    ``chunks`` begin at byte ``entry.encoded``; ``window`` is what was noted with the entry. Raises BadSourceError with
    the offset in the whole source.
    """

    def __call__(
        self, chunks: Iterable[bytes], entry: Entry, window: bytes, step: int, *, trace: Trace | None = None
    ) -> Iterator[bytes]: ...
