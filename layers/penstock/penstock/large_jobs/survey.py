"""`index` of a plain source: its pieces are read in parallel, and their results are joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from penstock.codecs import crc32_combine
from penstock.delivery.ports import ObjectStore
from penstock.errors import ChecksumMismatchError
from penstock.formats.boundaries import Text
from penstock.formats.survey import Survey, reach, stitch, survey
from penstock.large_jobs.job_files import JOB_SPEC, PIECES, JobFolder, JobSpec
from penstock.large_jobs.span_planning import SpanBoundary
from penstock.model.job import Progress
from penstock.model.object import Source
from penstock.model.serialization import to_json
from penstock.model.span import Entry


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes ``start`` to ``end`` of a plain source. ``text`` describes how records are found."""

    number: int
    start: int
    end: int
    text: Text


def write_pieces(folder: JobFolder, text: Text, *, size: int, piece: int) -> None:
    """Write the list of pieces of ``piece`` bytes of a source of ``size`` bytes.

    An existing list stays: some of its pieces may be surveyed already.
    """
    starts = range(0, size, piece)
    pieces = (Piece(number, start, min(start + piece, size), text) for number, start in enumerate(starts))
    folder.files.write_once(folder.key(PIECES), b"".join(to_json(piece_).encode() + b"\n" for piece_ in pieces))


def pieces_of(folder: JobFolder) -> int:
    """Return the number of pieces; 0 without a survey."""
    return len((folder.files.read(folder.key(PIECES)) or b"").splitlines())


def survey_piece(objects: ObjectStore, folder: JobFolder, piece: Piece, heartbeat: Callable[[Progress], None]) -> None:
    """Survey one piece, and write the result. Memory: that of reading, and of `survey`."""
    source = folder.get(JobSpec, JOB_SPEC).job.source
    start, end = reach(piece.text, piece.start, piece.end, source.size)
    with closing(objects.open_source(source, start=start, end=end).chunks()) as chunks:
        found = survey(_counted(chunks, heartbeat), piece.text, piece.start, piece.end)
    folder.put(f"survey/{piece.number:05d}.json", found)


def _counted(chunks: Iterable[bytes], heartbeat: Callable[[Progress], None]) -> Iterator[bytes]:
    read = 0
    for chunk in chunks:
        yield chunk
        read += len(chunk)
        heartbeat(Progress(read))


def read_boundaries(folder: JobFolder, source: Source) -> list[SpanBoundary] | None:
    """Return the boundaries at the starts of the pieces; None without pieces, or while a result is missing.

    Raises ChecksumMismatchError if an archive declares another CRC32 for a member.
    """
    listed = folder.files.read(folder.key(PIECES))
    if listed is None:
        return None
    surveys = []
    for number, _ in enumerate(listed.splitlines()):
        found = folder.find(Survey, f"survey/{number:05d}.json")
        if found is None:
            return None
        surveys.append(found)
    _check_crc32(surveys, source)
    return [SpanBoundary(Entry(start, start, record=record, row=row)) for start, record, row in stitch(surveys)]


def _check_crc32(surveys: Sequence[Survey], source: Source) -> None:
    """Compare a stored member with its archive, before any span of it is loaded. Spans are read without this proof."""
    declared = source.member.content.crc32 if source.member and source.member.content else None
    crc = 0
    for part in surveys:
        crc = crc32_combine(crc, part.crc32, part.size)
    if declared not in (None, crc):
        raise ChecksumMismatchError(
            f"CRC32 of the member's bytes is {crc:08x}, the directory declares {declared:08x}", offset=source.size
        )
