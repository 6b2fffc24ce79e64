"""Dumps the persisted state of a deployment to a sample, and loads a sample.

The state is read from the services, so that no code of Penstock decides what belongs to it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from penstock_local.account import Account
from release_backend import BUCKETS, DROPS, LAKE, TABLES, WORK, Deployment, deployment


def dump_database(dsn: str) -> dict[str, Any]:
    """The tables of the current schema: the statements that create them, and their rows in the format of COPY."""
    found: dict[str, Any] = {"make": [], "rows": {}}
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema = str(connection.execute("SELECT current_schema()").fetchone()[0])  # type: ignore[index]
        tables = connection.execute(
            "SELECT oid, relname, relpersistence FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r' "
            "ORDER BY relname",
            [schema],
        ).fetchall()
        for oid, name, persistence in tables:
            found["make"] += _statements(connection, schema, oid, name, logged=persistence == "p")
        for _, name, _ in tables:
            with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))) as copy:
                text = b"".join(bytes(data) for data in copy).decode()
            # The ledger refers to tables by OID, which differs between databases.
            for other, named, _ in tables:
                text = text.replace(f"[{other}]", f"[OID-OF-{named}]")
            found["rows"][name] = text.splitlines()
    return found


def _statements(connection: Any, schema: str, oid: int, name: str, *, logged: bool) -> Iterator[str]:
    columns = connection.execute(
        "SELECT quote_ident(attname) || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull "
        "THEN ' NOT NULL' ELSE '' END || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), ''), attname, "
        "col_description(attrelid, attnum) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND "
        "adnum = attnum WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [oid],
    ).fetchall()
    yield f"CREATE {'' if logged else 'UNLOGGED '}TABLE {name} ({', '.join(column for column, _, _ in columns)})"
    constraints = connection.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s AND "
        "contype IN ('p', 'u', 'c') ORDER BY conname",
        [oid],
    ).fetchall()
    for constraint, definition in constraints:
        yield f"ALTER TABLE {name} ADD CONSTRAINT {constraint} {definition}"
    indexes = connection.execute(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s AND NOT EXISTS "
        "(SELECT FROM pg_constraint WHERE conindid = indexrelid) ORDER BY indexrelid",
        [oid],
    ).fetchall()
    for (definition,) in indexes:
        yield definition.replace(f"{schema}.", "")
    for _, column, comment in columns:
        if comment:
            yield f"COMMENT ON COLUMN {name}.{column} IS {sql.Literal(comment).as_string(connection)}"


def load_database(dsn: str, kept: Mapping[str, Any]) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in kept["make"]:
            connection.execute(statement)
        oids = connection.execute(
            "SELECT relname, oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        ).fetchall()
        for name, lines in kept["rows"].items():
            text = "".join(f"{line}\n" for line in lines)
            for named, oid in oids:
                text = text.replace(f"[OID-OF-{named}]", f"[{oid}]")
            with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
                copy.write(text)
        # A load resumes within days; entries of older loads are removed.
        if "penstock_ledger" in kept["rows"]:
            connection.execute("UPDATE penstock_ledger SET at = now()")


# Longer texts are compressed.
_MAX_TEXT = 4_000


def _packed(data: bytes) -> dict[str, str]:
    if len(data) > _MAX_TEXT:
        return {"gzip": base64.b64encode(gzip.compress(data, mtime=0)).decode()}
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _unpacked(kept: Mapping[str, str]) -> bytes:
    if "gzip" in kept:
        return gzip.decompress(base64.b64decode(kept["gzip"]))
    return kept["text"].encode() if "text" in kept else base64.b64decode(kept["base64"])


def dump(deployed: Deployment, requests: Sequence[Mapping[str, Any]], **more: object) -> dict[str, Any]:
    """The persisted state of a deployment. ``requests`` created the uploads; S3 does not list them."""
    client = deployed.s3
    objects = []
    for bucket in BUCKETS:
        for key in deployed.keys(bucket):
            head = client.head_object(Bucket=bucket, Key=key)
            attributes = {"Metadata": head["Metadata"], "ContentType": head["ContentType"]}
            objects.append({"bucket": bucket, "key": key, **attributes, **_packed(deployed.read(bucket, key) or b"")})
    found: dict[str, Any] = {
        **more,
        "settings": dict(deployed.settings),
        "executions": deployed.started(),
        "objects": objects,
        "uploads": list(_open_uploads(deployed, requests)),
        "items": {table: deployed.items(table) for table in TABLES},
    }
    if deployed.dsn:
        found["database"] = dump_database(deployed.dsn)
    return found


def _open_uploads(deployed: Deployment, requests: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Open uploads. Parts are slices of the decoded source, so the sample has only their ranges."""
    opened = {request["UploadId"]: request for request in requests if request["operation"] == "CreateMultipartUpload"}
    for listed in deployed.s3.list_multipart_uploads(Bucket=LAKE).get("Uploads", ()):
        upload = listed["UploadId"]
        begun = {name: value for name, value in opened[upload].items() if name not in ("operation", "UploadId")}
        parts = deployed.s3.list_parts(Bucket=LAKE, Key=listed["Key"], UploadId=upload).get("Parts", ())
        size = max((part["Size"] for part in parts), default=0)
        ranges = [
            {"number": part["PartNumber"], "start": (part["PartNumber"] - 1) * size, "size": part["Size"]}
            for part in parts
        ]
        yield {"id": upload, "begun": begun, "parts": ranges}


def source_text(deployed: Deployment, key: str) -> bytes:
    """The decoded content of a source."""
    data = deployed.read(DROPS, key)
    assert data is not None
    return gzip.decompress(data) if key.endswith(".gz") else data


@contextmanager
def load(account: Account, text: str, dsn: str = "") -> Iterator[tuple[Deployment, dict[str, Any]]]:
    """A deployment with the state of a sample, and the sample."""
    kept = json.loads(text)
    with deployment(dsn, kept["settings"], account=account) as deployed:
        for one in kept["objects"]:
            more = {"Metadata": one["Metadata"], "ContentType": one["ContentType"]}
            deployed.put(one["bucket"], one["key"], _unpacked(one), **more)
        for upload in kept["uploads"]:
            begun = deployed.s3.create_multipart_upload(**upload["begun"])["UploadId"]
            where = {"Bucket": upload["begun"]["Bucket"], "Key": upload["begun"]["Key"], "UploadId": begun}
            content = source_text(deployed, kept["source"])
            for part in upload["parts"]:
                body = content[part["start"] : part["start"] + part["size"]]
                deployed.s3.upload_part(**where, PartNumber=part["number"], Body=body, ChecksumAlgorithm="CRC32")
            text = text.replace(upload["id"], begun)
        kept = json.loads(text)
        for one in kept["objects"]:
            if one["bucket"] == WORK and "text" in one:
                deployed.put(WORK, one["key"], _unpacked(one))
        for table, items in kept["items"].items():
            for item in items:
                deployed.change(table, item)
        for one in kept["executions"]:
            deployed.clients["stepfunctions"].start_execution(
                stateMachineArn=deployed.machine, name=one["name"], input=one["input"]
            )
        if "database" in kept:
            load_database(dsn, kept["database"])
        yield deployed, kept
