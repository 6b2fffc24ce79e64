"""Guess a route for a source: `penstock guess`."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.codecs import strip_suffix
from penstock.delivery.decoding import Decoding, naming
from penstock.errors import BadSourceError, HeaderRowError, InvalidRouteError
from penstock.explain.explanation import NAMES
from penstock.formats import choose_format, parse, resolve, settle
from penstock.guess.columns import ColumnGuess, guess_column
from penstock.guess.csv_route import guess_csv, key_notes
from penstock.guess.footer import word_of_footer
from penstock.guess.route_text import Option, RouteGuess
from penstock.limits import MIB
from penstock.model.column import ColumnType
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, Reject
from penstock.model.route import Route
from penstock.model.source import ByteSource
from penstock.model.table import Table, TablePlan
from penstock.routes import parse_routes
from penstock.run.loads import UNKNOWN
from penstock.run.local_source import PipeSource
from penstock.tables import ChunkBuilder, Form, complete
from penstock.wiring.run import Runner
from penstock.wiring.source_resolver import STANDARD_INPUT, ResolvedSource, bucket_and_key

BATCH = 1 * MIB
# The rows of a sheet that may stand above its header.
MOST_TITLES = 8
# How often columns whose values do not fit become texts. Each time shows the first fault of a record only.
TRIES = 10
# Formats with a schema in each file.
_DECLARED = (Format.AVRO, Format.PARQUET)
_GUESSED = (Format.CSV, Format.JSONL, Format.JSON, Format.XLSX)
_YEAR = re.compile(r"(?:1[89]|2[01])\d\d")
_NOT_A_NAME = re.compile(r"\W+")


def guess_route(runner: Runner, text: str, *, as_key: str = "", sample: int, read_all: bool = False) -> RouteGuess:
    """Guess a route by the first ``sample`` decoded bytes of a source; with ``read_all``, try it on all of the source.

    What is returned reads what was read: a column that would reject a value is text. Raises InvalidRouteError for a
    format that is not guessed, and the errors of reading the source.
    """
    bucket, key = bucket_and_key(text, "")
    key = as_key or key
    pipe = PipeSource(0, UNKNOWN) if text == STANDARD_INPUT else None
    if pipe and read_all:
        raise InvalidRouteError("standard input cannot be read twice", hint="Save it to a file, or leave --all out.")
    resolved = runner.resolver.find(text, (bucket, key), pipe)
    with cli_errors(f"reading {resolved.source.uri}", again=RUN_AGAIN), naming(resolved.source):
        head, whole = _head(runner, resolved, sample)
        guess = _guess(key, head, whole=whole)
        if not guess.columns:
            return guess
        guess = _tried(guess, key, lambda: [head], whole=whole)
        if read_all and not whole:
            guess = _tried(guess, key, lambda: _pieces(runner, resolved), whole=True, all_of_it=True)
    return guess


def _head(runner: Runner, resolved: ResolvedSource, sample: int) -> tuple[bytes, bool]:
    """Return the first decoded bytes, up to the end of a line, and whether they are all."""
    found = bytearray()
    with closing(_pieces(runner, resolved)) as pieces:
        for piece in pieces:
            found += piece
            if len(found) > sample:
                end = found.rfind(b"\n", 0, sample) + 1
                return bytes(found[: end or sample]), False
    return bytes(found), True


def _pieces(runner: Runner, resolved: ResolvedSource) -> Generator[bytes, None, None]:
    content: ByteSource = resolved.content or runner.objects.open_source(resolved.source)
    route = Route("guess", (), "")
    with closing(Decoding(resolved.source, content, route, runner.budget).pieces()) as pieces:
        yield from pieces


def _guess(key: str, head: bytes, *, whole: bool) -> RouteGuess:
    stem = strip_suffix(posixpath.basename(key))
    name = _NOT_A_NAME.sub("_", stem.rpartition(".")[0] or stem).strip("_").lower() or "source"
    suffix = posixpath.basename(key).removeprefix(stem.rpartition(".")[0] or stem)
    match = f"*{suffix}" if suffix else f"*{re.sub(r'[^A-Za-z0-9_.-]', '?', stem)}"
    route = RouteGuess(name, match, name, ())
    kind = _format(key, head)
    if kind in _DECLARED:
        raise InvalidRouteError(
            f"there is nothing to guess: a file in {kind} declares its columns and their types",
            hint="See them: penstock check. A route without columns takes them from the file.",
        )
    if kind not in _GUESSED:
        raise InvalidRouteError(
            f"the options of {kind} are not guessed",
            hint="Write the route, and try it: penstock check",
        )
    if kind is Format.CSV:
        options, columns, notes = guess_csv(head, whole=whole)
        return replace(route, parse=options, columns=columns, notes=notes)
    if kind is Format.XLSX:
        if not whole:
            raise InvalidRouteError("a workbook is read as a whole", hint="Read more of it: --sample SIZE")
        return _of_sheet(route, head)
    return _of_json(route, kind, head)


def _format(key: str, head: bytes) -> Format:
    """The format by the name, or else by the first character."""
    with suppress(InvalidRouteError):
        return choose_format(key, ParseOptions())
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"{": Format.JSONL, b"[": Format.JSON}.get(start, Format.CSV)


def _of_sheet(route: RouteGuess, head: bytes) -> RouteGuess:
    """Guess by the first sheet. Titles above the header are skipped: most rows have more cells."""
    tries = [(skip, _sheet_from(head, skip)) for skip in range(MOST_TITLES + 1)]
    good = [one for one in tries if _is_good(one[1])] or tries[:1]
    skip, batches = good[0]
    if batches and (not all(batches[0].names) or (len(batches[0].names) == 1 and any(one.rejects for one in batches))):
        # Titles have few names, and may stand above others. A header of names for all columns is above values.
        skip, batches = next((one for one in good if _has_header(one[1])), good[0])
    names = batches[0].names if batches else ()
    rows: list[object] = [row for batch in batches for row in batch.rows]
    options = [Option("format", "xlsx")]
    if skip:
        options.append(Option("skip_rows", skip, "rows above the header"))
    if names and (word := word_of_footer([_cell(row, 0) or "" for row in rows])):
        rows.pop()
        options.append(Option("footer", f"^{word}", "the first cell of the last row is of another kind"))
    counts = Counter(names)
    usable = {at: name for at, name in enumerate(names) if name.strip() and counts[name] == 1}
    columns = [guess_column(name, [_cell(row, at) for row in rows]) for at, name in usable.items()]
    notes = [f"Guessed by {len(rows):,} rows of the first sheet", *key_notes(columns)]
    if not names:
        notes = ["Undecided: no row of the first sheet is a header for most others: set skip_rows or range"]
    if len(usable) < len(names):
        left = ", ".join(f"#{at + 1}" for at in range(len(names)) if at not in usable)
        notes.append(f"Not loaded, for the header lacks their names or repeats them: {left}. Declare them by from")
    return replace(route, parse=options, columns=columns, notes=notes)


def _sheet_from(head: bytes, skip: int) -> list[Batch]:
    """Parse the first sheet without its first rows; nothing if no header is left, or no row below it."""
    with suppress(HeaderRowError):
        batches = list(parse([head], ParseOptions(format=Format.XLSX, skip_rows=skip), batch_bytes=BATCH))
        return batches if any(batch.rows for batch in batches) else []
    return []


def _is_good(batches: list[Batch]) -> bool:
    """Whether names are above, not values, and most rows fit them."""
    if not batches or any(_is_typed(name) and not _YEAR.fullmatch(name) for name in batches[0].names if name):
        return False
    rejects = sum(len(batch.rejects) for batch in batches)
    return 2 * rejects < sum(batch.count for batch in batches)


def _has_header(batches: list[Batch]) -> bool:
    """Whether no name is a value, most rows have several values, and a column has a type."""
    names = batches[0].names
    rows: list[object] = [row for batch in batches for row in batch.rows]
    filled = sum(1 for row in rows if sum(1 for at in range(len(names)) if _cell(row, at)) > 1)
    if len(names) == 1 or not all(names) or any(map(_is_typed, names)) or 2 * filled <= len(rows):
        return False
    return any(_is_typed(*(_cell(row, at) for row in rows)) for at in range(len(names)))


def _is_typed(*texts: str | None) -> bool:
    return guess_column("", texts).type is not ColumnType.TEXT


def _cell(row: object, at: int) -> str | None:
    cells: Sequence[str | None] = row  # type: ignore[assignment]  # a sheet has rows of cells
    return cells[at]


def _of_json(route: RouteGuess, kind: Format, head: bytes) -> RouteGuess:
    """Return a route with the columns that a load would infer."""
    options = settle([head], ParseOptions(format=kind))
    with suppress(BadSourceError):  # the end of what was read may be cut
        batch = next(iter(parse([head], options, batch_bytes=BATCH)), None)
        if batch and batch.rows:
            plan = complete(TablePlan(options, table=Table("t")), batch)
            assert plan.table  # noqa: S101  # for mypy
            columns = [ColumnGuess(column.name, column.type) for column in plan.table.columns]
            note = f"Guessed by the first {len(batch.rows):,} records, as a load infers columns"
            return replace(route, parse=[Option("format", str(kind))], columns=columns, notes=[note])
    return replace(route, parse=[Option("format", str(kind))], notes=["No record was read: a load infers the columns"])


def _tried(
    guess: RouteGuess, key: str, opened: Callable[[], Iterable[bytes]], *, whole: bool, all_of_it: bool = False
) -> RouteGuess:
    """Parse and check with the guessed route. A column that rejects values becomes text, and says so.

    ``all_of_it``: the source is longer than what was guessed by, so other rejects are told, too."""
    for _ in range(TRIES):
        plan = parse_routes(guess.text, "the guess", {name: name for name in NAMES}).routes[0].plan
        assert plan  # noqa: S101  # for mypy: it leads to a table
        rejects: dict[str, Reject] = {}
        others: list[Reject] = []
        counts: Counter[str] = Counter()
        builder = ChunkBuilder(plan, Form.VALUE)
        for batch in _batches(opened(), resolve(key, plan.parse), whole=whole):
            for reject in builder.chunk(0, batch)[1]:
                if reject.column:
                    rejects.setdefault(reject.column, reject)
                    counts[reject.column] += 1
                elif not others:
                    others = [reject]
        if not rejects:
            return replace(guess, notes=[*guess.notes, *map(_told, others)]) if all_of_it else guess
        guess = replace(guess, columns=[_corrected(column, rejects, counts) for column in guess.columns])
    return guess


def _told(reject: Reject) -> str:
    return f"Records are rejected, first row {reject.position.row:,} (byte {reject.position.offset:,}): {reject.reason}"


def _batches(pieces: Iterable[bytes], options: ParseOptions, *, whole: bool) -> Iterator[Batch]:
    if whole:
        yield from parse(pieces, options, batch_bytes=BATCH)
        return
    with suppress(BadSourceError):  # what was read may end within quotes
        yield from parse(pieces, options, batch_bytes=BATCH)


def _corrected(column: ColumnGuess, rejects: dict[str, Reject], counts: Counter[str]) -> ColumnGuess:
    if column.name not in rejects or column.type is ColumnType.TEXT:
        return column
    first = rejects[column.name]
    where = f"row {first.position.row:,}: {first.reason}"
    return column.as_text(f"text, not {column.type}: {counts[column.name]:,} values do not fit, such as {where}")
