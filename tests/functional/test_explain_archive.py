"""`penstock explain` of an archive: its members, and where the routes lead them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from fixtures.tars import tar_of
from functional.s3_lake import Lake
from penstock.large_jobs import handover
from penstock.wiring import explain_archive
from penstock_cli.main import main

pytest_plugins = ["functional.lake_fixtures"]

CSV = b"id,name\n1,reservoir\n"
FILES = {"data/a.csv": CSV, "data/b.csv.gz": gzip.compress(CSV), "c.json": b"[]", "__MACOSX/a.csv": b"", "notes": b"n"}
ROUTES = """
[[route]]
name = "apart"
match = ["in/*"]
archive = "members"
members = ["*", "!__MACOSX/*"]

[[route]]
name = "rows"
match = ["in/*.json"]
destination = "postgresql:documents"

[[route]]
name = "files"
match = ["in/*.csv", "in/*.csv.gz"]
destination = "s3://results/{member_base}"
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(ROUTES)
    return path


def lines(*arguments: object) -> list[str]:
    result = CliRunner(mix_stderr=False).invoke(main, ["explain", *map(str, arguments)])
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


def reported(*arguments: object) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads("".join(lines(*arguments, "--json")))
    return answer


def of_archive(shown: list[str], kind: str) -> list[str]:
    """The lines from that of the archive itself on."""
    return shown[next(at for at, line in enumerate(shown) if line.startswith(f"  {kind} ")) :]


def zip_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.name.endswith("gz") else data)
    return path


@pytest.mark.parametrize("name", ["data.tar", "data.tgz", "data.zip"])
def test_each_member_is_shown_with_its_destination(name: str, tmp_path: Path, routes: Path) -> None:
    archive = written(tmp_path / name, zip_of(FILES) if name.endswith("zip") else tar_of(FILES))
    kind, under = (name.partition(".")[2], "") if not name.endswith("tgz") else ("tar", "under gzip, ")
    shown = lines(archive, "--routes", routes, "--as", f"in/{name}")
    assert shown[1:] == [
        f"  route        apart, by in/* of {routes}",
        "  destination  that of each member",
        "  done by      ingest, in one invocation",
        "  time         about 1 s",
        shown[5],
        f"  {kind:<12} {under}5 members, {sum(map(len, FILES.values()))} B",
        f"  to           s3://results/{{member_base}} (route files): 2 members, {20 + len(FILES['data/b.csv.gz'])} B",
        "  to           postgresql:documents (route rows): 1 member, 2 B",
        "    data/a.csv  (20 B, csv) -> s3://results/a.csv (files)",
        f"    data/b.csv.gz  ({len(FILES['data/b.csv.gz'])} B, gzip, csv) -> s3://results/b.csv (files)",
        "    c.json  (2 B, json) -> postgresql:documents (rows)",
        "    __MACOSX/a.csv  (0 B, csv): left out by route apart",
        "    notes  (1 B): no route takes it",
    ]
    assert shown[5].startswith("  cost         about 0.")
    found = reported(archive, "--routes", routes, "--as", f"in/{name}")
    assert (found["route"], found["problems"]) == ("apart", [])
    assert (found["machine"], found["invocations"], found["seconds"] < 1, found["dollars"] < 0.001) == (
        False,
        1,
        True,
        True,
    )
    assert found["archive"]["destinations"][1] == {
        "route": "rows",
        "destination": "postgresql:documents",
        "members": 1,
        "size": 2,
    }
    assert {name: found["archive"][name] for name in ("kind", "members", "delivered", "skipped", "complete")} == {
        "kind": kind,
        "members": 5,
        "delivered": 3,
        "skipped": 0,
        "complete": True,
    }


def test_members_whose_records_are_not_read_are_listed_as_well(tmp_path: Path, routes: Path) -> None:
    text = ROUTES.replace('["in/*.json"]', '["in/*.orc", "in/*/notes"]').replace('"in/*.csv.gz"', '"*.zip"')
    routes.write_text(text)
    archive = written(tmp_path / "data.tar", tar_of({"in.zip": b"PK", "a.orc": b"", "notes": b"n", "z.csv": CSV}))
    rows = "postgresql:documents (rows)"
    assert of_archive(lines(archive, "--routes", routes, "--as", "in/data.tar"), "tar") == [
        "  tar          4 members, 23 B",
        "  to           s3://results/{member_base} (route files): 2 members, 22 B",
        "  to           postgresql:documents (route rows): 2 members, 1 B",
        "    in.zip  (2 B) -> s3://results/in.zip (files)",
        f"    a.orc  (0 B) -> {rows}: by its name 'a.orc' this is an ORC file, which is not read",
        f"    notes  (1 B) -> {rows}: the name 'notes' does not show the format of its records",
        "    z.csv  (20 B, csv) -> s3://results/z.csv (files)",
    ]


def test_an_archive_that_no_route_takes_apart_is_listed_too(tmp_path: Path, routes: Path) -> None:
    archive = written(tmp_path / "data.tar.gz", tar_of(FILES))
    shown = lines(archive)
    assert any(line.startswith("  destination  s3://destination_bucket/") for line in shown)
    assert "    data/a.csv  (20 B, csv)" in shown
    shown = lines(archive, "--routes", routes, "--as", "elsewhere/data.tar.gz")
    assert "none of" in shown[1]
    assert "    notes  (1 B)" in shown


def test_two_members_with_one_destination_are_a_problem(tmp_path: Path, routes: Path) -> None:
    archive = written(tmp_path / "data.tar", tar_of({"a.csv": CSV, "d/a.csv": CSV}))
    problem = "member 'd/a.csv' (number 2) and an earlier one would become s3://results/a.csv"
    assert lines(archive, "--routes", routes, "--as", "in/data.tar")[-1] == f"  problem      {problem}"
    assert reported(archive, "--routes", routes, "--as", "in/data.tar")["problems"] == [problem]


def test_skipped_entries_and_warnings_are_shown(tmp_path: Path, routes: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as writer:
        for kind, name in ((tarfile.DIRTYPE, "folder"), (tarfile.SYMTYPE, "link")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a"
            writer.addfile(info)
    archive = written(tmp_path / "data.tar", stream.getvalue()[:1024])
    assert of_archive(lines(archive, "--routes", routes, "--as", "in/data.tar"), "tar") == [
        "  tar          0 members, 0 B, 1 skipped",
        "    link  skipped: it is a symbolic link to 'a'",
        "  warning      the archive ends at byte 1,024 without its end mark; it may be cut off",
    ]


def test_the_list_is_bounded(tmp_path: Path, routes: Path) -> None:
    archive = written(tmp_path / "data.tar", tar_of({f"{number}.csv": b"" for number in range(250)}))
    shown = of_archive(lines(archive, "--routes", routes, "--as", "in/data.tar"), "tar")
    assert "250 members" in shown[0]
    assert shown[1] == "  to           s3://results/{member_base} (route files): 250 members, 0 B"
    assert len(shown) == 2 + explain_archive.LISTED + 1
    assert shown[-1] == "    and 150 more"


def test_the_plan_of_a_large_archive_is_shown(tmp_path: Path, routes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a stack took archives and members of a megabyte for large."""
    monkeypatch.setattr(handover, "LONG_SECONDS", 0.02)
    text = ROUTES.replace('["in/*.csv", "in/*.csv.gz"]', '["in/*.csv"]').replace("{member_base}", "{member}")
    routes.write_text(text)
    files = {f"{number}.csv": b"1" for number in range(1_500)} | {"large.csv": b"1" * 8_000_000, "2.json": b"[]"}
    archive = written(tmp_path / "data.tar", tar_of(files))
    shown = lines(archive, "--routes", routes, "--as", "in/data.tar")
    assert shown[3].startswith("  done by      the state machine, in ")
    assert shown[4:6] == [
        "  batches      3 batches of 1,501 members, side by side",
        "  large        1 member with jobs of their own, about 1 span",
    ]
    found = reported(archive, "--routes", routes, "--as", "in/data.tar")
    expected = found["archive"]["forecast"]
    assert (found["machine"], expected["batches"], expected["large"], expected["members"]) == (True, 3, 1, 1_502)
    assert found["invocations"] == expected["usage"]["invocations"]


def test_only_the_beginning_of_a_compressed_archive_is_read(
    tmp_path: Path, routes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain_archive, "READ", 1 << 20)
    files = {f"{number}.csv": Random(number).randbytes(1 << 20) for number in range(4)}
    archive = written(tmp_path / "data.tar.gz", tar_of(files))
    found = reported(archive, "--routes", routes, "--as", "in/data.tar.gz")
    assert (found["archive"]["members"], found["archive"]["complete"], found["problems"]) == (1, False, [])
    shown = lines(archive, "--routes", routes, "--as", "in/data.tar.gz")
    assert shown[3].endswith("more may follow: only the beginning was read")
    assert found["archive"]["forecast"] is None


def test_a_damaged_archive_is_a_problem(tmp_path: Path, routes: Path) -> None:
    data = tar_of({"a.csv": CSV, "b.csv": CSV})
    archive = written(tmp_path / "data.tar", data[:1300])
    (problem,) = reported(archive, "--routes", routes, "--as", "in/data.tar")["problems"]
    assert "the archive ends inside a header (at byte 1,300)" in problem
    (tmp_path / "text.tar").write_bytes(CSV)
    (problem,) = reported(tmp_path / "text.tar", "--routes", routes, "--as", "in/text.tar")["problems"]
    assert "says tar, but the content is not" in problem


def test_an_object_is_listed_by_few_requests(lake: Lake, routes: Path) -> None:
    files = {f"{number}.csv": bytes(300_000) for number in range(5)}
    lake.put("in/data.tar", tar_of(files))
    found = reported(f"{lake.uri}/in/data.tar", "--routes", routes, "--endpoint-url", lake.proxy.url)
    assert found["archive"]["members"] == 5
    assert len(lake.proxy.requests("GetObject")) <= 8
    assert lake.keys() == ["in/data.tar"]
