"""Commands for objects whose keys have terminal escapes: complete in S3, harmless on a terminal, exact in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from functional.s3_lake import Lake, tree, write
from penstock_cli.main import main

pytest_plugins = ["functional.lake_fixtures"]

NAME = "a\x1b[2J\x07\x01\t%41+ b\u202e\x9b"

# The characters that the server can return from CreateMultipartUpload.
IN_XML = "a\x9b2J%41+ b\u202e"


def harmless(result: Result) -> bool:
    return all(line.isprintable() for line in (result.stdout + result.stderr).split("\n"))


def penstock(lake: Lake, *arguments: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, [*map(str, arguments), "--endpoint-url", lake.proxy.url])


def test_sync_in_every_direction(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "one" / NAME, b"content")
    runs = (
        (tmp_path / "one", f"{lake.uri}/a"),
        (f"{lake.uri}/a", f"{lake.uri}/b"),
        (f"{lake.uri}/b", tmp_path / "two"),
    )
    for source, destination in runs:
        result = lake.sync(source, destination)
        assert (result.exit_code, harmless(result)) == (0, True), result.output
        assert "\\x1b[2J" in result.stdout
    assert tree(tmp_path / "two") == {NAME: b"content"}
    (tmp_path / "empty").mkdir()
    result = lake.sync(tmp_path / "empty", f"{lake.uri}/a", "--delete", "--force", "--json")
    assert (result.exit_code, harmless(result)) == (0, True)
    assert json.loads(result.stdout)["steps"][0]["name"] == NAME
    assert lake.keys() == [f"b/{NAME}"]


def test_uploads_and_abort_print_exact_keys(lake: Lake) -> None:
    for number in range(3):
        lake.client.create_multipart_upload(Bucket=lake.bucket, Key=f"{number}{IN_XML}")
    listed = penstock(lake, "uploads", f"{lake.uri}/")
    assert (listed.exit_code, harmless(listed), listed.stdout.count("\\x9b2J")) == (0, True, 3)
    reported = json.loads(penstock(lake, "uploads", f"{lake.uri}/", "--json").stdout)
    assert [one["target"] for one in reported["uploads"]] == [f"{lake.uri}/{number}{IN_XML}" for number in range(3)]
    ended = penstock(lake, "abort", f"{lake.uri}/", "--older-than", "0s")
    assert (ended.exit_code, harmless(ended), ended.stdout.count("\\x9b2J")) == (0, True, 3)
    assert "Uploads" not in lake.client.list_multipart_uploads(Bucket=lake.bucket)


def test_upload_and_run(lake: Lake, tmp_path: Path) -> None:
    file = write(tmp_path / NAME, b"a,b\n1,2\n")
    for arguments in (
        ("upload", file, f"{lake.uri}/in/"),
        ("run", file, "--to", f"{lake.uri}/out/{NAME}"),
        ("run", file, "--to", tmp_path / "out" / NAME),
    ):
        result = penstock(lake, *arguments)
        assert (result.exit_code, harmless(result)) == (0, True), result.output
        assert "\\x1b[2J" in result.stdout
    assert lake.keys() == [f"in/{NAME}", f"out/{NAME}"]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_routes_check_and_explain(lake: Lake, options: tuple[str, ...]) -> None:
    lake.put(NAME, b"a,b\n1,2\n")
    for arguments in (("routes", "check", "--key", NAME), ("explain", f"{lake.uri}/{NAME}")):
        result = penstock(lake, *arguments, *options)
        assert harmless(result), result.output
        assert "x1b[2J" in result.stdout or "u001b[2J" in result.stdout or result.exit_code
