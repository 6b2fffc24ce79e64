"""The functions of ``import penstock``: `run`, `explain` and `upload`. The commands of the same names share their code.

Heavy modules are imported in the functions, so that ``import penstock`` takes milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from penstock.wiring.receipt import Receipt

if TYPE_CHECKING:
    from penstock.model.job import Progress
    from penstock.upload.uploader import UploadResult
    from penstock.wiring.explain import Explanation
    from penstock.wiring.run import PreparedRun
    from penstock.wiring.run_archive import PreparedArchive

__all__ = ["Receipt", "explain", "prepare_run", "run", "upload"]

MIB = 1024 * 1024
# The memory of the deployed functions, which gives them one vCPU.
MEMORY = 1769
# The default of the aws command.
THREADS = 10

Name: TypeAlias = "str | os.PathLike[str]"
OnProgress: TypeAlias = "Callable[[Progress], None]"


def run(source: Name, *, on_progress: OnProgress | None = None, **options: Any) -> Receipt:
    """Deliver a source on this machine, without Lambda.

    ``options`` are those of `prepare_run`: ``to`` or ``routes``, and how the source is read and loaded. A file or an
    object appears complete or not at all. An interrupted load into PostgreSQL resumes when it runs again; a complete
    one is not repeated. ``on_progress`` is called with the `Progress` so far: encoded and decoded bytes, rows and
    rejects.

    An archive (.zip, .tar, .tar.gz, ...) that goes to a folder, a prefix or a table is delivered member by member; the
    receipt has one receipt for each in ``members``. If some failed, IncompleteJobError names them at the end: the
    others were delivered.

    Raises PenstockError: PermanentError if something must be corrected first, RetryableError if a retry can succeed.

    >>> import gzip, pathlib, tempfile
    >>> import penstock
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "trips.csv.gz").write_bytes(gzip.compress(b"id,km\\n1,7.5\\n"))
    >>> receipt = penstock.run(folder / "trips.csv.gz", to=folder / "trips.csv")
    >>> receipt.codec, receipt.bytes_out, (folder / "trips.csv").read_text()
    ('gzip', 12, 'id,km\\n1,7.5\\n')
    """
    from penstock.wiring.run import PreparedRun  # noqa: PLC0415  # botocore

    with prepare_run(source, **options) as prepared:
        if isinstance(prepared, PreparedRun):
            return Receipt.of(prepared.run(on_progress))
        return prepared.receipt(on_progress)


@contextmanager
def prepare_run(
    source: Name,
    *,
    to: Name = "",
    routes: Name = "",
    route: str = "",
    stack: str = "",
    as_key: str = "",
    codec: str = "auto",
    format: str | None = None,  # noqa: A002  # the field's word
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    quoting: Literal["standard", "none"] | None = None,
    comment: str | None = None,
    skip_footer: int | None = None,
    footer: str | None = None,
    extra: Literal["reject", "ignore"] | None = None,
    encoding: str | None = None,
    header: bool = True,
    skip_lines: int = 0,
    columns: Sequence[str] = (),
    records: str | None = None,
    sheet: str | int | None = None,
    skip_rows: int | None = None,
    range: str | None = None,  # noqa: A002  # the field's word
    fields: Sequence[str] = (),
    units: Literal["characters", "bytes"] | None = None,
    record_prefix: str | None = None,
    line_length: Literal["padded", "exact", "any"] | None = None,
    trim: Literal["right", "left", "both", "none"] | None = None,
    record: str | None = None,
    namespaces: Mapping[str, str] | None = None,
    repeated: Sequence[str] = (),
    mode: Literal["append", "upsert", "replace"] | None = None,
    key: Sequence[str] = (),
    create: bool = False,
    atomic: bool = False,
    nulls: Sequence[str] = (),
    evolve: Literal["fail", "ignore", "add", "widen"] | None = None,
    rescue: str | None = None,
    rescue_values: bool = False,
    replaces: Literal["table", "partitions"] | None = None,
    partition_by: Sequence[str] = (),
    file_size: int | str | None = None,
    row_group_size: int | str | None = None,
    compression: Literal["zstd", "snappy", "gzip", "none"] | None = None,
    max_rejects: float | str = 0,
    dsn: str = "",
    catalog: str = "",
    warehouse: str = "",
    again: bool = False,
    rejects: Name | None = None,
    members: Sequence[str] = (),
    on_member_failure: Literal["continue", "fail"] = "continue",
    password: str | bytes = "",
    memory: int = MEMORY,
    profile: str = "",
    region: str = "",
    endpoint_url: str = "",
) -> Iterator[PreparedRun | PreparedArchive]:
    """Check the options of `run` and find the source. Leaving the block closes all connections to AWS.

    ``source`` is a path, ``s3://BUCKET/KEY``, any URI that smart_open reads, or ``-`` for standard input. ``to`` is a
    path, ``s3://BUCKET/KEY``, ``postgresql:TABLE``, ``dynamodb:TABLE``, ``iceberg:NAMESPACE.TABLE``,
    ``parquet:FOLDER/``, ``parquet:s3://...`` or ``-`` for standard output. A name that ends in ``.parquet`` is one
    Parquet file. Instead of ``to``, ``routes`` names a routes file, and ``route`` one of its routes. ``as_key`` is the
    key that routes see. ``stack`` names a deployed stack. ``dsn`` is the PostgreSQL database; ``catalog`` and
    ``warehouse`` are those of Iceberg tables: see docs/iceberg.md. ``memory`` is a limit in MB. ``again`` repeats a
    complete load. ``members`` are patterns of the members of an archive that are delivered; ``!`` excludes, and the
    last match decides. ``password`` is that of the encrypted members of a zip; text is encoded in UTF-8. The other
    options are those of docs/tables.md and need a table as ``to``.

    Raises InvalidRouteError for options that contradict each other, ConfigurationError, FileError, SourceGoneError.
    """
    from penstock.errors import InvalidRouteError  # noqa: PLC0415
    from penstock.run.destination_spec import DestinationSpec  # noqa: PLC0415
    from penstock.wiring import run as runs  # noqa: PLC0415  # botocore
    from penstock.wiring.archive_request import prepare_by_destination, prepare_by_route  # noqa: PLC0415

    if bool(to) == bool(routes or stack):
        raise InvalidRouteError("a run needs exactly one destination", hint="Give `to`, or `routes`, or `stack`.")
    if not to and (members or on_member_failure != "continue"):
        raise InvalidRouteError("options for members need `to`", hint="With routes, the route has them.")
    options = runs.RunOptions(
        again, Path(rejects) if rejects else None, tuple(members), fail_fast=on_member_failure == "fail"
    )
    choice = runs.RouteChoice(os.fspath(routes), stack, route)
    parse = {
        "format": format,
        "delimiter": delimiter,
        "quote": quote,
        "escape": escape,
        "quoting": quoting,
        "comment": comment,
        "skip_footer": skip_footer,
        "footer": footer,
        "extra": extra,
        "encoding": encoding,
        "header": None if header else False,
        "skip_lines": skip_lines or None,
        "columns": list(columns) or None,
        "records": records,
        "sheet": sheet,
        "skip_rows": skip_rows,
        "range": range,
        "fields": list(fields) or None,
        "units": units,
        "record_prefix": record_prefix,
        "line_length": line_length,
        "trim": trim,
        "record": record,
        "namespaces": dict(namespaces) if namespaces else None,
        "repeated": list(repeated) or None,
    }
    table = {
        "mode": mode,
        "key": list(key) or None,
        "create": create or None,
        "atomic": atomic or None,
        "nulls": ["", *nulls] if nulls else None,
        "evolve": evolve,
        "rescue": rescue,
        "rescue_values": rescue_values or None,
        "replaces": replaces,
        "partition_by": list(partition_by) or None,
        "file_size": file_size,
        "row_group_size": row_group_size,
        "compression": compression,
    }
    text = os.fspath(source)
    spec = DestinationSpec(os.fspath(to), codec, str(max_rejects), _given(parse), _given(table)).of(as_key or text)
    with closing(runs.CliClients(profile, region, endpoint_url)) as clients:
        secret = password.encode() if isinstance(password, str) else password
        runner = runs.Runner(clients, memory * MIB, dsn, secret, catalog, warehouse)
        archive: PreparedArchive | None
        if to:
            archive = prepare_by_destination(runner, text, as_key, spec, options)
            if archive is None:
                request = runs.request_by_destination(runner.resolver, text, as_key, spec)
        else:
            request = runs.request_by_route(clients, runner.resolver, text, as_key, choice)
            archive = prepare_by_route(runner, request, options)
        yield archive or runs.PreparedRun(runner, request, options)


def explain(
    source: Name,
    *,
    routes: Name = "",
    stack: str = "",
    as_key: str = "",
    memory: int = 0,
    profile: str = "",
    region: str = "",
    endpoint_url: str = "",
) -> Explanation:
    """Show what would happen to a source, without changing anything.

    The result names the route and the pattern that match, the target, the codec, the columns of a table by the first
    records, a forecast (duration, spans, cost) and the problems that would make the job fail. ``memory`` is in MB;
    0 means that of the stack, or the template's default.

    Raises InvalidRouteError for a routes file with errors, SourceGoneError, FileError, ConfigurationError.

    >>> import pathlib, tempfile
    >>> import penstock
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "in" / "trips.csv"
    >>> path.parent.mkdir()
    >>> _ = path.write_text("id,km\\n1,7.5\\n")
    >>> routes = path.with_name("routes.toml")
    >>> _ = routes.write_text('''
    ... [[route]]
    ... name = "copy"
    ... match = ["in/*"]
    ... destination = "s3://{destination_bucket}/{key}"
    ... ''')
    >>> found = penstock.explain(path, routes=routes, as_key="in/trips.csv")
    >>> found.match.route.name, found.problems
    ('copy', ())
    """
    from penstock.wiring.explain import CliClients  # noqa: PLC0415  # botocore
    from penstock.wiring.explain import explain as explain_with  # noqa: PLC0415

    file = os.fspath(routes)
    with closing(CliClients(profile, region, endpoint_url)) as clients:
        return explain_with(clients, os.fspath(source), as_key=as_key, file=file, stack=stack, memory=memory * MIB)


def upload(
    file: Name,
    to: str,
    *,
    threads: int = THREADS,
    part_size: int = 0,
    state: Name | None = None,
    restart: bool = False,
    on_progress: Callable[[int], None] | None = None,
    profile: str = "",
    region: str = "",
    endpoint_url: str = "",
) -> UploadResult:
    """Upload a file to ``s3://BUCKET/KEY``, in parts and in parallel. After an interruption, the same call resumes.

    If ``to`` ends in ``/``, the file keeps its name. ``part_size`` is in bytes; 0 selects a suitable one. ``state`` is
    the file that records the upload until it is complete. ``restart`` discards the parts sent before. ``on_progress``
    is called with the number of bytes sent, by several threads; negative when bytes must be resent.

    Raises FileError, FileChangedError, UploadInProgressError, AccessDeniedError, DestinationMissingError,
    ServiceUnavailableError, ConfigurationError.
    """
    from penstock.errors import ConfigurationError  # noqa: PLC0415
    from penstock.model.object import Target  # noqa: PLC0415
    from penstock.model.s3_uri import split  # noqa: PLC0415
    from penstock.wiring.upload import CallbackProgress, Transfers, upload_states  # noqa: PLC0415  # botocore

    if not to.startswith("s3://"):
        raise ConfigurationError(f"{to} is not the URI of an object", hint="Write s3://BUCKET/KEY.")
    bucket, key = split(to)
    path = Path(file)
    target = Target(bucket, key if key and not key.endswith("/") else key + path.name)
    with closing(
        Transfers(
            CallbackProgress(on_progress),
            states=upload_states(),
            profile=profile,
            region=region,
            endpoint_url=endpoint_url,
            threads=threads,
        )
    ) as transfers:
        return transfers.send(path, target, state=Path(state) if state else None, part_size=part_size, restart=restart)


def _given(options: dict[str, Any]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}
