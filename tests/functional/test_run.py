"""`penstock run`: from files, pipes, S3 and the web to files, objects and tables; its output and its errors."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from functional.faulty_s3 import Refusal, always
from functional.s3_lake import Lake
from penstock.limits import MIB
from penstock_cli.main import main
from postgres_database import Database

pytest_plugins = ["functional.lake_fixtures", "postgres_fixtures"]

COMMAND = str(Path(sys.executable).with_name("penstock"))
ROWS = 30_000
TEXT = ("id,name,born\n" + "".join(f'{n},"name, {n}",19{10 + n % 90}-0{1 + n % 9}-11\n' for n in range(ROWS))).encode()


def run(*arguments: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["run", *map(str, arguments)])


def done(result: Result) -> Result:
    assert result.exit_code == 0, result.output + result.stderr
    return result


def refused(result: Result, message: str, way_out: str = "") -> None:
    """The command failed with what happened and what to do."""
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert way_out in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(TEXT))
    return path


# To a file.


def test_a_file_is_decoded_into_a_file(file: Path, tmp_path: Path) -> None:
    result = done(run(file, "--to", tmp_path / "orders.csv"))
    assert (tmp_path / "orders.csv").read_bytes() == TEXT
    assert result.stdout.startswith(f"run: {file} to {tmp_path}/orders.csv (")
    assert "of gzip" in result.stdout


def test_a_folder_takes_the_name_of_what_is_in_the_file(file: Path, tmp_path: Path) -> None:
    done(run(file, "--to", f"{tmp_path}/out/"))
    assert (tmp_path / "out/orders.csv").read_bytes() == TEXT


def test_json_is_one_object_with_everything_a_program_needs(file: Path, tmp_path: Path) -> None:
    reported = json.loads(done(run(file, "--to", tmp_path / "out", "--json")).stdout)
    assert reported | {"seconds": 0, "crc32": ""} == {
        "source": str(file),
        "target": str(tmp_path / "out"),
        "codec": "gzip",
        "bytes_in": file.stat().st_size,
        "bytes_out": len(TEXT),
        "crc32": "",
        "parts": 0,
        "etag": "",
        "version_id": "",
        "rows": 0,
        "rows_before": 0,
        "already": False,
        "rejects": 0,
        "dropped": 0,
        "rejects_file": None,
        "changes": [],
        "warnings": [],
        "seconds": 0,
    }


def test_quiet_says_nothing(file: Path, tmp_path: Path) -> None:
    result = done(run(file, "--to", tmp_path / "out", "--quiet"))
    assert (result.stdout, result.stderr) == ("", "")


def test_a_truncated_file_leaves_what_was_there(file: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"before")
    file.write_bytes(file.read_bytes()[:-9])
    refused(run(file, "--to", tmp_path / "out"), "orders.csv.gz: ", "get the complete file")
    assert (tmp_path / "out").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders.csv.gz", "out"]


def test_a_file_does_not_replace_itself(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    refused(run(file, "--to", file), "is the source itself")
    refused(run(file, "--to", tmp_path / "link"), "is the source itself")


def test_standard_input_is_a_source(file: Path, tmp_path: Path) -> None:
    with file.open("rb") as stdin:
        subprocess.run([COMMAND, "run", "-", "--to", tmp_path / "out"], stdin=stdin, check=True, capture_output=True)
    assert (tmp_path / "out").read_bytes() == TEXT


def test_standard_input_needs_a_name_where_the_destination_is_a_folder(tmp_path: Path) -> None:
    refused(run("-", "--to", tmp_path), "standard input has no name", "--as NAME")


@pytest.mark.parametrize(
    "arguments",
    [
        ("x",),
        ("x", "--to", "y", "--routes", "z"),
        ("x", "--to", "y", "--route", "z"),
        ("x", "--routes", "y", "--mode", "append"),
        ("x", "--to", "y", "--memory", "64"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    refused(run(tmp_path / "nope", "--to", tmp_path / "out"), "nope: No such file or directory")


# S3.


def test_a_file_becomes_an_object(file: Path, lake: Lake) -> None:
    result = done(run(file, "--to", f"{lake.uri}/out/", "--endpoint-url", lake.proxy.url))
    assert lake.read("out/orders.csv") == TEXT
    assert f"to {lake.uri}/out/orders.csv" in result.stdout


def test_an_object_becomes_an_object(file: Path, lake: Lake) -> None:
    lake.put("in/orders.csv.gz", file.read_bytes(), Metadata={"sender": "shop"})
    uri = f"{lake.uri}/in/orders.csv.gz"
    done(run(uri, "--to", f"{lake.uri}/orders.csv", "--endpoint-url", lake.proxy.url))
    head = lake.client.head_object(Bucket=lake.bucket, Key="orders.csv")
    assert (lake.read("orders.csv"), head["Metadata"]["sender"]) == (TEXT, "shop")
    refused(run(uri, "--to", uri, "--endpoint-url", lake.proxy.url), "is the source itself")


def test_an_object_becomes_a_file(file: Path, lake: Lake, tmp_path: Path) -> None:
    lake.put("orders.csv.gz", file.read_bytes())
    done(run(f"{lake.uri}/orders.csv.gz", "--to", tmp_path / "out", "--endpoint-url", lake.proxy.url))
    assert (tmp_path / "out").read_bytes() == TEXT


def test_a_file_that_changed_replaces_its_result_also_with_size_and_time_unchanged(tmp_path: Path, lake: Lake) -> None:
    import os

    path = tmp_path / "a.txt"
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, ns=(1, 1))
        done(run(path, "--to", f"{lake.uri}/a.txt", "--endpoint-url", lake.proxy.url))
        assert lake.read("a.txt") == content


def test_an_error_of_s3_is_reported_with_a_hint(file: Path, lake: Lake) -> None:
    lake.proxy.schedule = always("PutObject", Refusal(403, "AccessDenied"))
    refused(
        run(file, "--to", f"{lake.uri}/x", "--endpoint-url", lake.proxy.url),
        f"access denied: s3:PutObject on {lake.uri}/x",
        "--profile",
    )
    lake.proxy.schedule = always("PutObject", Refusal(403, "ExpiredToken"))
    refused(run(file, "--to", f"{lake.uri}/x", "--endpoint-url", lake.proxy.url), "", "renew them")
    assert lake.keys() == []


def test_an_object_that_is_not_there_is_named(lake: Lake, tmp_path: Path) -> None:
    result = run(f"{lake.uri}/nope", "--to", tmp_path / "out", "--endpoint-url", lake.proxy.url)
    refused(result, f"{lake.uri}/nope does not exist", "aws s3 ls")


def test_a_bad_bucket_name_is_refused(file: Path) -> None:
    refused(run(file, "--to", "s3://Not_A_Bucket/x"), "--to s3://Not_A_Bucket/x: 'Not_A_Bucket' is not a bucket name")
    refused(run(file, "--to", "s3://"), "'' is not a bucket name", "s3://BUCKET/KEY")


@pytest.mark.parametrize("source", ["s3://lake", "s3://lake/", "s3://", "s3:///key"])
def test_a_source_without_a_name_is_refused(source: str, tmp_path: Path) -> None:
    refused(run(source, "--to", tmp_path / "out"), f"{source} is not the URI of an object", "s3://BUCKET/KEY")
    refused(run("", "--to", tmp_path / "out"), "the name of the source is empty")


def test_a_file_may_have_a_colon_in_its_name(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(run(file, "--to", "log:1.csv"), "--to log:1.csv is not a known destination", "./")
    for name in ("./log:1.csv", "12:30.csv", "a-b:c"):
        done(run(file, "--to", name))
        assert Path(name).read_bytes() == TEXT


# The web.


class Web(BaseHTTPRequestHandler):
    """Serves a file. ``cut``: the first response ends after so many bytes. ``changes``: the file changes each time."""

    protocol_version = "HTTP/1.1"
    body = gzip.compress(TEXT)
    cut = 0
    ranges: list[str]
    version = "v1"

    def do_GET(self) -> None:  # the base class looks for this name
        wanted = self.headers.get("Range", "")
        self.ranges.append(wanted)
        if "missing" in self.path or "secret" in self.path:
            self.send_error(404 if "missing" in self.path else 403)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        self.send_header("Content-Length", str(len(self.body) - start))
        self.send_header("ETag", f'"{self.version}"')
        self.end_headers()
        # The first request determines the size and reads nothing.
        cut = self.cut if self.cut and len(self.ranges) == 2 else len(self.body)
        self.wfile.write(self.body[start:cut])
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Quiet."""


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """The command closes the connection when it has read enough."""


@pytest.fixture
def web() -> Iterator[tuple[str, type[Web]]]:
    handler = type("Handler", (Web,), {"ranges": []})
    server = Server(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_a_url_names_is_a_source(web: tuple[str, type[Web]], tmp_path: Path) -> None:
    result = done(run(f"{web[0]}/in/orders.csv.gz", "--to", f"{tmp_path}/out/"))
    assert (tmp_path / "out/orders.csv").read_bytes() == TEXT
    assert result.stdout.startswith(f"run: {web[0]}/in/orders.csv.gz to ")


def test_an_interrupted_download_resumes_where_it_stopped(
    web: tuple[str, type[Web]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = web
    monkeypatch.setattr(handler, "body", gzip.compress(TEXT, 0))
    monkeypatch.setattr(handler, "cut", 600_000)
    done(run(f"{url}/orders.csv.gz", "--to", tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == TEXT
    assert handler.ranges[-1] == "bytes=524288-"


def test_a_file_of_the_web_that_changes_meanwhile_is_refused(
    web: tuple[str, type[Web]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = web

    class Versions:
        def __get__(self, instance: object, owner: object) -> str:
            return f"v{len(handler.ranges)}"

    monkeypatch.setattr(handler, "version", Versions())
    refused(run(f"{url}/orders.csv.gz", "--to", tmp_path / "out"), "the source changed while it was being read")
    assert list(tmp_path.iterdir()) == []


def test_passwords_and_signatures_are_not_printed(web: tuple[str, type[Web]], tmp_path: Path, lake: Lake) -> None:
    url = web[0].replace("http://", "http://me:hush@")
    result = run(f"{url}/missing?signature=hush", "--to", tmp_path / "out")
    refused(result, f"{web[0]}/missing: Not Found", "Check the address")
    refused(run(f"{url}/secret?signature=hush", "--to", tmp_path / "out"), "access denied")
    reported = done(run(f"{url}/a.gz?signature=hush", "--to", f"{lake.uri}/a", "--endpoint-url", lake.proxy.url))
    metadata = lake.client.head_object(Bucket=lake.bucket, Key="a")["Metadata"]
    assert "hush" not in result.stderr + reported.stdout + str(metadata)


@pytest.mark.parametrize(
    ("uri", "message", "way_out"),
    [
        ("gs://bucket/key", "gs:// cannot be read here", "smart_open[gcs]"),
        ("sftp://host/file", "sftp:// cannot be read here", "smart_open[ssh]"),
        ("nonsense://x", "nonsense:// cannot be read here", "pip install"),
        ("http://127.0.0.1:1/x?signature=hush", "http://127.0.0.1:1/x: [Errno 111]", "Check the network"),
    ],
)
def test_a_uri_that_cannot_be_read_is_reported_with_a_hint(
    uri: str, message: str, way_out: str, tmp_path: Path
) -> None:
    result = run(uri, "--to", tmp_path / "out")
    refused(result, message, way_out)
    assert "hush" not in result.stderr


# PostgreSQL.


def load(database: Database, *arguments: object) -> Result:
    return run(*arguments, "--dsn", database.dsn)


def count(database: Database, table: str = "orders") -> int:
    ((number,),) = database.execute(f"SELECT count(*) FROM {table}")
    assert isinstance(number, int)
    return number


def test_a_file_is_loaded_with_types_inferred_from_it(file: Path, database: Database) -> None:
    result = done(load(database, file, "--to", "postgresql:orders", "--create"))
    assert "30,000 rows" in result.stdout
    assert count(database) == ROWS
    assert database.execute("SELECT id, name, born::text FROM orders WHERE id = 7") == [(7, "name, 7", "1917-08-11")]


def test_a_loaded_file_is_not_loaded_twice_without_again(file: Path, database: Database) -> None:
    done(load(database, file, "--to", "postgresql:orders", "--create"))
    result = done(load(database, file, "--to", "postgresql:orders"))
    assert (
        result.stdout == f"{file} is already loaded into postgresql:orders (30,000 rows). To repeat it, use --again.\n"
    )
    assert count(database) == ROWS
    assert json.loads(load(database, file, "--to", "postgresql:orders", "--json").stdout)["already"] is True
    done(load(database, file, "--to", "postgresql:orders", "--again"))
    assert count(database) == 2 * ROWS


def test_a_rewritten_file_is_another_file(file: Path, database: Database) -> None:
    done(load(database, file, "--to", "postgresql:orders", "--create"))
    file.write_bytes(gzip.compress(b"id,name,born\n1,a,2020-01-01\n"))
    done(load(database, file, "--to", "postgresql:orders"))
    assert count(database) == ROWS + 1


def test_upsert_and_replace_are_modes(file: Path, database: Database) -> None:
    done(load(database, file, "--to", "postgresql:orders", "--create", "--mode", "upsert", "--key", "id"))
    for _ in range(2):
        done(load(database, file, "--to", "postgresql:orders", "--mode", "replace"))
        database.execute("INSERT INTO orders VALUES (-1, 'another', NULL)")
    done(load(database, file, "--to", "postgresql:orders", "--mode", "replace"))
    assert count(database) == ROWS


def test_too_many_rejects_are_listed_and_the_load_resumes_when_they_are_allowed(
    tmp_path: Path, database: Database
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("id,n\n" + "".join(f"{n},{n}\n" for n in range(200_000)) + "x,1\n")
    refused(load(database, path, "--to", "postgresql:bad", "--create"), "the limit is 0", "are in bad")
    before = count(database, "bad")
    assert 0 < before < 200_000
    result = done(load(database, path, "--to", "postgresql:bad", "--max-rejects", "1"))
    assert f"{before:,} of them loaded before" in result.stdout
    assert count(database, "bad") == 200_000
    (line,) = Path(f"{path}.rejects.jsonl").read_text().splitlines()
    assert json.loads(line)["row"] == 200_001
    assert f"{path}.rejects.jsonl" in result.stderr


def test_a_resumed_load_keeps_the_time_of_its_begin(tmp_path: Path, database: Database) -> None:
    path, routes = tmp_path / "bad.csv", tmp_path / "loads.toml"
    path.write_text("id\n" + "".join(f"{n}\n" for n in range(300_000)) + "x\n")
    columns = (
        '{ name = "id", type = "integer" }, { name = "at", from = "$loaded_at" }, { name = "etag", from = "$etag" }'
    )
    text = '[[route]]\nname = "r"\nmatch = "*"\ndestination = "postgresql:bad"\nmax_rejects = %d\n[route.table]\n%s\n'
    for rejects in (0, 1):
        routes.write_text(text % (rejects, f"create = true\ncolumns = [{columns}, {{ name = 'job', from = '$job' }}]"))
        result = load(database, path, "--routes", routes)
    done(result)
    assert "of them loaded before" in result.stdout
    ((rows, first, last, etags, job),) = database.execute(
        "SELECT count(*), min(at), max(at), count(etag), min(job) FROM bad"
    )
    assert (rows, first == last, etags) == (300_000, True, 0)
    assert database.execute("SELECT job FROM penstock_loads WHERE job = %s", [job]) == [(job,)]


def test_rejects_go_to_the_given_file(tmp_path: Path, database: Database) -> None:
    path, rejects = tmp_path / "bad.csv", tmp_path / "elsewhere.jsonl"
    path.write_text("id\n1\n2,3\n")
    options = ("--create", "--max-rejects", "50%", "--rejects", rejects, "--json")
    reported = json.loads(done(load(database, path, "--to", "postgresql:bad", *options)).stdout)
    assert (reported["rows"], reported["rejects"], reported["rejects_file"]) == (1, 1, str(rejects))
    assert "2,3" in rejects.read_text()


def test_standard_input_is_loaded_although_its_columns_are_inferred(database: Database) -> None:
    command = [COMMAND, "run", "-", "--to", "postgresql:orders", "--create", "--format", "csv", "--dsn", database.dsn]
    subprocess.run(command, input=TEXT, check=True, capture_output=True)
    assert count(database) == ROWS


def test_options_declare_the_form_of_a_csv(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes("1;'a;b'\n2;NA\n".encode("utf-16"))
    options = ("--format", "csv", "--delimiter", ";", "--quote", "'", "--encoding", "utf-16", "--no-header")
    done(load(database, path, "--to", "postgresql:t", "--create", *options, "--columns", "id,name", "--null", "NA"))
    assert database.execute("SELECT id, name FROM t ORDER BY id") == [(1, "a;b"), (2, None)]


def test_a_list_inside_a_json_document_can_be_loaded(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "data.json"
    path.write_text('{"data": {"items": [{"id": 1}, {"id": 2}]}}')
    done(load(database, path, "--to", "postgresql:t", "--create", "--records", "data.items"))
    assert count(database, "t") == 2


@pytest.mark.parametrize(
    ("arguments", "message", "way_out"),
    [
        (("--to", "postgresql:nope"), "table nope does not exist", "create"),
        (("--to", "postgresql:t", "--mode", "upsert"), "table.key: is needed to upsert", ""),
        (
            ("--to", "postgresql:t", "--as", "x", "--create"),
            "does not show the format of its records",
            "Give --format csv, jsonl, json, xlsx, fixed, xml, avro or parquet.",
        ),
    ],
)
def test_a_source_that_cannot_be_loaded_is_reported(
    file: Path, database: Database, arguments: tuple[str, ...], message: str, way_out: str
) -> None:
    refused(load(database, file, *arguments), message, way_out)


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("data.jsonl", ("--delimiter", ";"), "the option 'delimiter' means nothing for jsonl"),
        ("data.json", ("--quote", "'"), "the option 'quote' means nothing for json"),
        ("data.json", ("--record", "/a/b"), "the option 'record' means nothing for json"),
        ("data.csv", ("--records", "data"), "the option 'records' means nothing for csv"),
        ("data.txt", ("--format", "xlsx", "--encoding", "latin-1"), "the option 'encoding' means nothing for xlsx"),
    ],
)
def test_an_option_of_another_format_is_refused(
    tmp_path: Path, database: Database, name: str, option: tuple[str, ...], message: str
) -> None:
    path = tmp_path / name
    path.write_text("{}\n")
    refused(load(database, path, "--to", "postgresql:t", "--create", *option), message, "--format")


@pytest.mark.parametrize("to", ["out.csv", "s3://bucket/key", "dynamodb:table", "-"])
def test_a_database_is_refused_for_a_destination_that_has_none(file: Path, to: str) -> None:
    result = run(file, "--to", to, "--dsn", "postgresql://localhost/db")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--dsn is for a table of a database, but --to is {to}." in result.stderr


def test_without_a_database_it_says_how_to_name_one(file: Path) -> None:
    refused(run(file, "--to", "postgresql:t"), "no database is given", "PENSTOCK_POSTGRES_DSN")


def test_the_database_may_be_named_by_the_environment(
    file: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_POSTGRES_DSN", database.dsn)
    done(run(file, "--to", "postgresql:orders", "--create"))
    assert count(database) == ROWS


# DynamoDB.


def test_a_file_becomes_items(tmp_path: Path, server: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=server)
    client.create_table(
        TableName="songs",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    path = tmp_path / "songs.jsonl"
    path.write_text("".join(json.dumps({"id": n, "title": f"song {n}"}) + "\n" for n in range(60)))
    for _ in range(2):
        assert "60 rows" in done(run(path, "--to", "dynamodb:songs", "--endpoint-url", server)).stdout
    assert client.scan(TableName="songs", Select="COUNT")["Count"] == 60


# By routes.

ROUTES = """
[[route]]
name = "orders"
match = "orders/*.csv.gz"
destination = "postgresql:orders"
[route.table]
create = true

[[route]]
name = "rest"
match = "*.gz"
destination = "s3://results/{stem}"
source_bucket = "lake-*"

[[route]]
name = "stack"
match = "*.bz2"
destination = "s3://{destination_bucket}/{stem}"
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(ROUTES)
    return path


def test_the_route_that_takes_the_key_says_where_to(file: Path, routes: Path, database: Database) -> None:
    done(load(database, file, "--routes", routes, "--as", "orders/2026/orders.csv.gz"))
    assert count(database) == ROWS


def test_an_objects_own_bucket_and_key_choose_the_route(file: Path, routes: Path, lake: Lake) -> None:
    lake.put("in/orders.csv.gz", file.read_bytes())
    lake.client.create_bucket(Bucket="results")
    done(run(f"{lake.uri}/in/orders.csv.gz", "--routes", routes, "--endpoint-url", lake.proxy.url))
    assert lake.client.get_object(Bucket="results", Key="in/orders.csv")["Body"].read() == TEXT


def test_a_route_can_be_named(file: Path, routes: Path, database: Database) -> None:
    done(load(database, file, "--routes", routes, "--route", "orders"))
    assert count(database) == ROWS
    refused(load(database, file, "--routes", routes, "--route", "nope"), "no route is named 'nope'", "routes check")


def test_a_key_without_a_route_is_reported(file: Path, routes: Path) -> None:
    refused(run(file, "--routes", routes, "--as", "x.zip"), "no route matches 'x.zip'", "--as")


def test_a_destination_that_only_a_stack_knows_is_refused(file: Path, routes: Path) -> None:
    refused(
        run(file, "--routes", routes, "--route", "stack"),
        "the name of 'destination_bucket' is only known for a stack",
        "--stack",
    )


@pytest.mark.parametrize("memory", [128, 3008])
def test_memory_determines_the_size_of_buffers(file: Path, tmp_path: Path, memory: int) -> None:
    done(run(file, "--to", tmp_path / "out", "--memory", memory))
    assert (tmp_path / "out").read_bytes() == TEXT


def test_a_zstd_window_that_needs_more_memory_is_reported(tmp_path: Path) -> None:
    import zstandard

    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    data = zstandard.ZstdCompressor(compression_params=parameters).compressobj().compress(bytes(MIB))
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = compressor.compress(bytes(MIB)) + compressor.flush()
    (tmp_path / "a.zst").write_bytes(data)
    refused(run(tmp_path / "a.zst", "--to", tmp_path / "out", "--memory", 128), "window")
    done(run(tmp_path / "a.zst", "--to", tmp_path / "out", "--memory", 1769))


# What it prints, and where.


def test_what_is_decoded_goes_to_standard_output_and_nothing_else_does(file: Path) -> None:
    ran = subprocess.run([COMMAND, "run", str(file), "--to", "-"], capture_output=True, check=True, timeout=60)
    assert ran.stdout == TEXT
    assert ran.stderr.decode().startswith(f"run: {file} to standard output (")


def test_a_truncated_file_on_standard_output_is_a_failure(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    ran = subprocess.run([COMMAND, "run", str(file), "--to", "-"], capture_output=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout[:20]) == (1, TEXT[:20])
    assert b"The file is incomplete" in ran.stderr


def test_who_reads_no_further_ends_a_run_quietly(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(TEXT * 4)
    command = [COMMAND, "run", str(path), "--to", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.read(10)
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


def test_json_and_the_data_cannot_both_go_to_standard_output(file: Path) -> None:
    assert run(file, "--to", "-", "--json").exit_code == 2


@pytest.mark.parametrize("argument", ["source", "destination"])
def test_an_arn_is_refused_with_what_to_give_instead(file: Path, tmp_path: Path, argument: str) -> None:
    arn = "s3://arn:aws:s3:us-east-1:000000000000:accesspoint/mine/a.csv.gz"
    result = run(arn, "--to", tmp_path / "a") if argument == "source" else run(file, "--to", arn)
    refused(result, f"{arn}: an ARN cannot be used as a bucket name", "the access point's alias")


@pytest.mark.parametrize(
    ("dsn", "message", "way_out"),
    [
        ("postgresql://nobody@no-such-host.invalid/db", "no-such-host.invalid", "Check the address and the network"),
        ("nonsense", "the DSN is malformed", "Write postgresql://"),
    ],
)
def test_the_error_for_a_wrong_database_has_the_terms_of_the_command(
    file: Path, dsn: str, message: str, way_out: str
) -> None:
    result = run(file, "--to", "postgresql:orders", "--create", "--dsn", dsn)
    refused(result, message, way_out)
    assert "the message" not in result.stderr
    assert "the function" not in result.stderr


def test_a_file_that_changed_is_loaded_also_with_size_and_time_unchanged(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "same.csv"
    order = (path, "--to", "postgresql:same_time", "--create")
    path.write_bytes(b"id\n1\n")
    times = path.stat()
    done(load(database, *order))
    path.write_bytes(b"id\n2\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    done(load(database, *order))
    assert "To repeat it, use --again." in done(load(database, *order)).stdout
    assert database.execute("SELECT id FROM same_time ORDER BY id") == [(1,), (2,)]
