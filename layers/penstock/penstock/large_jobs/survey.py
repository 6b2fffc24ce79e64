"""`index` of a plain source: its pieces are read side by side, and what is found in each is stitched together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from penstock.delivery.ports import ObjectStore
from penstock.formats.boundaries import Text
from penstock.formats.survey import Survey, stitch, survey
from penstock.large_jobs.job_files import JOB_SPEC, PIECES, JobFolder, JobSpec
from penstock.large_jobs.span_planning import SpanBoundary
from penstock.model.job import Progress
from penstock.model.serialization import to_json
from penstock.model.span import Entry


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes ``start`` to ``end`` of a plain source, and how its records are told apart."""

    number: int
    start: int
    end: int
    text: Text


def ask(folder: JobFolder, text: Text, *, size: int, piece: int) -> None:
    """Leave a list of pieces of ``piece`` bytes of a source of ``size`` bytes. One that is there stays: some of its
    pieces may be answered."""
    starts = range(0, size, piece)
    pieces = (Piece(number, start, min(start + piece, size), text) for number, start in enumerate(starts))
    folder.files.write_once(folder.key(PIECES), b"".join(to_json(one).encode() + b"\n" for one in pieces))


def pieces_of(folder: JobFolder) -> int:
    """How many pieces there are; 0 where none was asked for."""
    return len((folder.files.read(folder.key(PIECES)) or b"").splitlines())


def answer(objects: ObjectStore, folder: JobFolder, piece: Piece, heartbeat: Callable[[Progress], None]) -> None:
    """Survey one piece, and leave what was found. Memory: that of reading, and of `survey`."""
    source = folder.get(JobSpec, JOB_SPEC).job.source
    with closing(objects.open_source(source, start=piece.start, end=piece.end).chunks()) as chunks:
        found = survey(_counted(chunks, heartbeat), piece.text, start=piece.start)
    folder.put(f"survey/{piece.number:05d}.json", found)


def _counted(chunks: Iterable[bytes], heartbeat: Callable[[Progress], None]) -> Iterator[bytes]:
    read = 0
    for chunk in chunks:
        yield chunk
        read += len(chunk)
        heartbeat(Progress(read))


def collect(folder: JobFolder) -> list[SpanBoundary] | None:
    """The places that the pieces' beginnings are; None while there are no pieces, or any is unanswered."""
    asked = folder.files.read(folder.key(PIECES))
    if asked is None:
        return None
    surveys = []
    for number, _ in enumerate(asked.splitlines()):
        found = folder.find(Survey, f"survey/{number:05d}.json")
        if found is None:
            return None
        surveys.append(found)
    return [SpanBoundary(Entry(start, start, record=record, row=row)) for start, record, row in stitch(surveys)]
