"""`penstock run` of an archive within an archive: taken apart if a route of its own says so."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from archive_plant import Writer, zip_of
from fixtures.tars import QUINE, tar_of
from functional.s3_lake import Lake
from lengths import long
from penstock_cli.main import main
from postgres_database import Database

pytest_plugins = ["functional.lake_fixtures", "postgres_fixtures"]

ROUTES = """
[[route]]
name = "apart"
match = "in/*"
archive = "members"

[[route]]
name = "inner"
match = "in/*/inner*"
archive = "members"
members = ["!left*"]

[[route]]
name = "rows"
match = "in/*/orders*.csv"
destination = "postgresql:orders"
[route.table]
create = true

[[route]]
name = "files"
match = "in/*.txt"
destination = "s3://{bucket}/out/{{member}}"
"""
INNER = {"a.txt": b"a", "d/b.txt": b"b" * 90_000, "left.txt": b"", "orders.csv": b"id\n1\n2\n"}


def plain_tar(contents: Mapping[str, bytes]) -> bytes:
    return tar_of(dict(contents))


def packed_tar(contents: Mapping[str, bytes]) -> bytes:
    return gzip.compress(plain_tar(contents))


OUTER: Mapping[str, Writer] = {
    "a.zip": zip_of,
    "s.zip": partial(zip_of, method=zipfile.ZIP_STORED),
    "a.tar": plain_tar,
    "a.tgz": packed_tar,
}
WITHIN: Mapping[str, Writer] = {"inner.zip": zip_of, "inner.tar": plain_tar, "inner.tgz": packed_tar}
SHORT_PAIRS = [("inner.zip", "a.tgz"), ("inner.zip", "s.zip"), ("inner.tar", "a.zip"), ("inner.tgz", "a.tar")]


def run(*arguments: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["run", *map(str, arguments)])


def by_routes(tmp_path: Path, lake: Lake, source: object, *arguments: object) -> Result:
    routes = tmp_path / "routes.toml"
    routes.write_text(ROUTES.format(bucket=lake.bucket))
    return run(source, *arguments, "--routes", routes, "--endpoint-url", lake.proxy.url)


def objects_in(lake: Lake, prefix: str) -> dict[str, bytes]:
    keys = lake.keys()
    return {key.removeprefix(prefix): lake.read(key) for key in keys if key.startswith(prefix)}


@pytest.mark.parametrize(
    ("inner", "outer"),
    [(inner, outer) if (inner, outer) in SHORT_PAIRS else long(inner, outer) for inner in WITHIN for outer in OUTER],
)
@pytest.mark.long
def test_members_of_an_inner_archive_go_where_their_routes_lead(
    outer: str, inner: str, tmp_path: Path, lake: Lake, database: Database
) -> None:
    archive = tmp_path / outer
    archive.write_bytes(OUTER[outer]({"first.txt": b"1", inner: WITHIN[inner](INNER), "last.txt": b"2"}))
    dsn = ("--dsn", database.dsn)
    expected = {"first.txt": b"1", f"{inner}/a.txt": b"a", f"{inner}/d/b.txt": b"b" * 90_000, "last.txt": b"2"}
    for source in (archive, f"{lake.uri}/in/{outer}"):
        lake.put(f"in/{outer}", archive.read_bytes())
        result = by_routes(tmp_path, lake, source, "--as", f"in/{outer}", *dsn)
        assert result.exit_code == 0, result.output + result.stderr
        assert "to the routes of its members (5 members, " in result.stdout
        assert objects_in(lake, "out/") == expected
    # The second source was another one; the first is not loaded again.
    assert by_routes(tmp_path, lake, archive, "--as", f"in/{outer}", *dsn).exit_code == 0
    assert database.execute("SELECT id FROM orders ORDER BY id") == [(1,), (1,), (2,), (2,)]


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_without_routes_an_inner_archive_stays_a_file(outer: str, inner: str, tmp_path: Path) -> None:
    within = WITHIN[inner](INNER)
    (tmp_path / outer).write_bytes(OUTER[outer]({inner: within}))
    assert run(tmp_path / outer, "--to", f"{tmp_path}/out/").exit_code == 0
    (file,) = (tmp_path / "out").iterdir()
    assert file.read_bytes() == (plain_tar(INNER) if inner == "inner.tgz" else within)


def test_what_cannot_be_taken_apart_fails_by_name_and_the_others_go_on(tmp_path: Path, lake: Lake) -> None:
    archive = tmp_path / "a.zip"
    third = zip_of({"a.txt": b"a", "inner.zip": zip_of({"b.txt": b"b"})})
    archive.write_bytes(zip_of({"inner1.zip": b"no archive", "inner2.zip": third, "last.txt": b"last"}))
    result = by_routes(tmp_path, lake, archive, "--as", "in/a.zip")
    assert result.exit_code == 1
    assert f"{archive}/inner1.zip: the content is no" in result.stderr
    assert "member 'inner.zip' of the inner archive 'inner2.zip' is an archive itself" in result.stderr
    assert objects_in(lake, "out/") == {"inner2.zip/a.txt": b"a", "last.txt": b"last"}


def test_an_archive_that_contains_itself_ends_at_the_second_level(tmp_path: Path, lake: Lake) -> None:
    routes = ROUTES.replace("in/*/inner*", "in/*/*")
    (tmp_path / "routes.toml").write_text(routes.format(bucket=lake.bucket))
    arguments = (QUINE, "--as", "in/r.zip", "--routes", tmp_path / "routes.toml")
    result = run(*arguments, "--endpoint-url", lake.proxy.url)
    assert result.exit_code == 1
    assert "member 'r/r.zip' of the inner archive 'r/r.zip' is an archive itself" in result.stderr


def test_two_members_with_one_destination_across_both_levels_are_refused(tmp_path: Path, lake: Lake) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zip_of({"x/a.txt": b"1", "inner.zip": zip_of({"y/a.txt": b"2"})}))
    routes = ROUTES.replace("{{member}}", "{{member_base}}")
    (tmp_path / "routes.toml").write_text(routes.format(bucket=lake.bucket))
    result = run(archive, "--as", "in/a.zip", "--routes", tmp_path / "routes.toml", "--endpoint-url", lake.proxy.url)
    assert result.exit_code == 1
    assert "members 'x/a.txt' (number 1) and 'inner.zip/y/a.txt' (number 2.1) would both become" in result.stderr
    assert objects_in(lake, "out/") == {}
