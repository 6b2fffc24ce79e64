"""`penstock run` of an archive: its members become files, objects and rows; its output and its errors."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner, Result
from openpyxl import Workbook

import penstock
from fixtures.tars import tar_of
from fixtures.zips import Entry, zip_of
from functional.faulty_s3 import Refusal, always
from functional.s3_lake import Lake
from penstock.destinations.postgres.table_swap import PostgresTableSwap
from penstock.model.job import Progress
from penstock.run.file_sink import FileSink
from penstock_cli.main import main
from postgres_database import Database

pytest_plugins = ["functional.lake_fixtures", "postgres_fixtures"]

A, B = b"id,name\n1,reservoir\n2,turbine\n", b"id,name\n3,penstock\n"
FILES = {"data/a.csv": A, "data/deep/b.csv.gz": gzip.compress(B), "notes.txt": b"notes"}
DECODED = {"data/a.csv": A, "data/deep/b.csv": B, "notes.txt": b"notes"}


def run(*arguments: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["run", *map(str, arguments)])


def done(result: Result) -> Result:
    assert result.exit_code == 0, result.output + result.stderr
    return result


def refused(result: Result, message: str, way_out: str = "") -> None:
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert way_out in result.stderr
    assert "Traceback" not in result.stderr


def files_in(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=["data.tar", "data.tar.gz", "data.tgz", "data.zip"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(tmp_path / str(request.param), FILES)


def written(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    data = tar_of(files)
    path.write_bytes(gzip.compress(data) if path.suffix in (".gz", ".tgz") else data)
    return path


# To files.


def test_each_member_becomes_a_file_decoded_by_its_codec(archive: Path, tmp_path: Path) -> None:
    result = done(run(archive, "--to", f"{tmp_path}/out/"))
    assert files_in(tmp_path / "out") == DECODED
    lines = result.stdout.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        f"run: {archive}/data/a.csv to {tmp_path}/out/data/a.csv",
        f"run: {archive}/data/deep/b.csv.gz to {tmp_path}/out/data/deep/b.csv",
        f"run: {archive}/notes.txt to {tmp_path}/out/notes.txt",
        f"run: {archive} to {tmp_path}/out/",
    ]
    assert "of gzip" in lines[1]
    assert f"(3 members, {len(A) + len(B) + 5} B, " in lines[-1]
    assert result.stderr == ""


def test_a_folder_that_exists_needs_no_slash(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done(run(archive, "--to", tmp_path / "out"))
    assert files_in(tmp_path / "out") == DECODED


def test_patterns_choose_members_and_the_last_match_decides(archive: Path, tmp_path: Path) -> None:
    chosen = ("--members", "data/*", "--members", "!*.gz")
    result = done(run(archive, "--to", f"{tmp_path}/out/", *chosen))
    assert files_in(tmp_path / "out") == {"data/a.csv": A}
    assert "(1 member, " in result.stdout
    assert "2 left out" in result.stdout
    refused(run(archive, "--to", f"{tmp_path}/none/", "--members", "*.xml"), "none of its 3 members matches")
    assert not (tmp_path / "none").exists()


def test_json_has_every_member(archive: Path, tmp_path: Path) -> None:
    reported = json.loads(done(run(archive, "--to", f"{tmp_path}/out/", "--json", "--members", "!notes*")).stdout)
    assert [(each["member"], each["number"], each["codec"], each["bytes_out"]) for each in reported["members"]] == [
        ("data/a.csv", 1, "identity", len(A)),
        ("data/deep/b.csv.gz", 2, "gzip", len(B)),
    ]
    assert reported["members"][0]["target"] == f"{tmp_path}/out/data/a.csv"
    assert {name: reported[name] for name in ("source", "target", "archive", "codec", "bytes_in", "bytes_out")} == {
        "source": str(archive),
        "target": f"{tmp_path}/out/",
        "archive": "zip" if archive.suffix == ".zip" else "tar",
        "codec": "gzip" if archive.suffix in (".gz", ".tgz") else "identity",
        "bytes_in": archive.stat().st_size,
        "bytes_out": len(A) + len(B),
    }
    assert (reported["failed"], reported["skipped"], reported["left_out"]) == ([], [], 1)


def test_quiet_says_nothing(archive: Path, tmp_path: Path) -> None:
    result = done(run(archive, "--to", f"{tmp_path}/out/", "--quiet"))
    assert (result.stdout, result.stderr) == ("", "")


def test_a_single_file_as_destination_takes_the_archive_as_before(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar.gz", FILES)
    done(run(archive, "--to", tmp_path / "data.tar"))
    assert (tmp_path / "data.tar").read_bytes() == tar_of(FILES)
    refused(run(archive, "--to", tmp_path / "x.tar", "--members", "*"), "no archive is taken apart", "FOLDER/")


def test_a_workbook_stays_a_workbook(tmp_path: Path, database: Database) -> None:
    book = Workbook()
    assert book.active
    for row in (("id", "name"), (1, "reservoir")):
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    done(load(database, tmp_path / "book.xlsx", "--to", "postgresql:orders", "--create"))
    assert ids(database) == [1]
    done(run(tmp_path / "book.xlsx", "--to", f"{tmp_path}/out/"))
    assert files_in(tmp_path / "out") == {"book.xlsx": (tmp_path / "book.xlsx").read_bytes()}


@pytest.mark.parametrize("name", ["data.bin", "book.xlsx", "data.jar"])
def test_only_the_name_makes_an_archive(name: str, tmp_path: Path) -> None:
    archive = written(tmp_path / name, FILES)
    done(run(archive, "--to", f"{tmp_path}/out/"))
    assert files_in(tmp_path / "out") == {name: tar_of(FILES)}
    done(run(archive, "--to", f"{tmp_path}/apart/", "--as", "in/data.tar"))
    assert files_in(tmp_path / "apart") == DECODED


def test_a_name_that_is_wrong_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.tar").write_bytes(A * 100)
    refused(run(tmp_path / "data.tar", "--to", f"{tmp_path}/out/"), "says tar, but the content is not", "Rename")


def test_a_zip_may_lie_between_other_bytes(tmp_path: Path) -> None:
    """A program that unpacks it comes before it, or a mail program has added a line end; not both."""
    entry = Entry(b"a.csv", A)
    for number, data in enumerate((b"#!/bin/sh\n" + zip_of(entry), zip_of(entry) + b"\r\n")):
        (tmp_path / f"{number}.zip").write_bytes(data)
        result = done(run(tmp_path / f"{number}.zip", "--to", f"{tmp_path}/{number}/"))
        assert files_in(tmp_path / f"{number}") == {"a.csv": A}
        assert ("ignored as trailing garbage" in result.stderr) == (number == 1)
    (tmp_path / "text.zip").write_bytes(A * 100)
    refused(run(tmp_path / "text.zip", "--to", f"{tmp_path}/out/"), "the content is no zip", "Rename")


def test_an_empty_archive_has_no_members(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar", {})
    assert "(0 members, " in done(run(archive, "--to", f"{tmp_path}/out/")).stdout


def test_two_members_with_one_destination_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar.gz", {"x": b"0", "a.csv": A, "a.csv.gz": gzip.compress(A)})
    result = run(archive, "--to", f"{tmp_path}/out/")
    refused(
        result,
        f"members 'a.csv' (number 2) and 'a.csv.gz' (number 3) would both become {tmp_path}/out/a.csv",
        "patterns of members",
    )
    assert not (tmp_path / "out").exists()
    done(run(archive, "--to", f"{tmp_path}/out/", "--members", "!*.gz"))


def test_a_tar_with_a_name_twice_says_that_no_pattern_chooses_one(tmp_path: Path) -> None:
    archive = tmp_path / "data.tar"
    with tarfile.open(archive, "w") as tar:
        for content in (A, B):
            member = tarfile.TarInfo("a.csv")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    result = run(archive, "--to", f"{tmp_path}/out/")
    refused(result, "members 'a.csv' (number 1) and 'a.csv' (number 2) would both become", "has this name twice")
    assert not (tmp_path / "out").exists()


def test_a_damaged_archive_is_to_be_sent_again_not_uploaded(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar.gz", {"a.csv": A})
    data = bytearray(archive.read_bytes())
    data[-8] ^= 1  # of the CRC32 in the trailer
    archive.write_bytes(data)
    result = run(archive, "--to", f"{tmp_path}/out/")
    refused(result, "the gzip trailer says", "The file is damaged: ask the sender for a new copy.")


def test_a_bucket_of_a_stack_is_not_known_without_it(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar", {"a.csv": A})
    routes = tmp_path / "routes.toml"
    routes.write_text(
        '[[route]]\nname = "tars"\nmatch = "*.tar"\narchive = "members"\n'
        '[[route]]\nname = "files"\nmatch = "*"\ndestination = "s3://{destination_bucket}/{member}"\n'
    )
    result = run(archive, "--routes", routes, "--as", "data.tar")
    assert result.exit_code == 1
    assert "failed: a.csv: route 'files': destination: 'destination_bucket' is not a bucket name\n" in result.stderr
    assert "name the stack with --stack" in result.stderr


def test_a_member_never_replaces_its_archive(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar", {"a.csv": A, "data.tar": b"inner"})
    before = archive.read_bytes()
    refused(run(archive, "--to", f"{tmp_path}/"), "is the source itself")
    assert files_in(tmp_path) == {"data.tar": before}


GARBAGE = "warning: the bytes from byte {:,} follow the end of the archive: ignored as trailing garbage"


def test_what_is_no_file_is_skipped_and_listed(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as writer:
        for kind, name in ((tarfile.DIRTYPE, "folder"), (tarfile.SYMTYPE, "link")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            writer.addfile(info)
        for name in ("../up.csv", "/abs.csv", "good.csv"):
            info = tarfile.TarInfo(name)
            info.size = len(A)
            writer.addfile(info, io.BytesIO(A))
    (tmp_path / "data.tar").write_bytes(stream.getvalue() + b"garbage")
    result = done(run(tmp_path / "data.tar", "--to", f"{tmp_path}/out/"))
    assert files_in(tmp_path) == {"data.tar": stream.getvalue() + b"garbage", "out/good.csv": A}
    assert result.stderr.splitlines() == [
        "skipped: link: it is a symbolic link to '/etc/passwd'",
        "skipped: ../up.csv: its name leads out of the archive (..)",
        "skipped: /abs.csv: its name is absolute",
        GARBAGE.format(len(stream.getvalue())),
    ]
    assert "(1 member, 30 B, 3 skipped, " in result.stdout
    listed = json.loads(done(run(tmp_path / "data.tar", "--to", f"{tmp_path}/out/", "--json")).stdout)["skipped"]
    assert [each["member"] for each in listed] == ["folder/", "link", "../up.csv", "/abs.csv", ""]


def test_many_skipped_entries_are_counted(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as writer:
        for number in range(50):
            info = tarfile.TarInfo(f"link-{number}")
            info.type, info.linkname = tarfile.SYMTYPE, "x"
            writer.addfile(info)
    (tmp_path / "data.tar").write_bytes(stream.getvalue())
    result = done(run(tmp_path / "data.tar", "--to", f"{tmp_path}/out/"))
    assert len(result.stderr.splitlines()) == 21
    assert result.stderr.splitlines()[-1] == "skipped: 30 more"


def test_large_and_small_members_are_told_in_the_order_of_the_archive(tmp_path: Path) -> None:
    sizes = [10, 2 << 20, 0, 30, (1 << 20) + 1, *range(100)]
    files = {f"{number}.bin": bytes([number]) * size for number, size in enumerate(sizes)}
    archive = written(tmp_path / "data.tar.gz", files)
    seen: list[Progress] = []
    receipt = penstock.run(archive, to=f"{tmp_path}/out/", on_progress=seen.append)
    assert files_in(tmp_path / "out") == files
    assert [Path(member.target).name for member in receipt.members] == list(files)
    assert (receipt.bytes_out, seen[-1].bytes_in, seen[-1].bytes_out) == (sum(sizes),) * 3
    assert all(earlier.bytes_in <= later.bytes_in for earlier, later in pairwise(seen))


BAD = {"a.csv": A, "bad.csv.gz": gzip.compress(B)[:-4], "c.csv": B}


def test_a_member_that_fails_leaves_nothing_and_the_others_go_on(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar.gz", BAD)
    result = run(archive, "--to", f"{tmp_path}/out/")
    assert result.exit_code == 1
    assert files_in(tmp_path / "out") == {"a.csv": A, "c.csv": B}
    assert f"failed: bad.csv.gz: {archive}/bad.csv.gz: " in result.stderr
    assert "get the complete file" in result.stderr
    assert "(2 members, 49 B, 1 failed, " in result.stdout
    reported = run(archive, "--to", f"{tmp_path}/out/", "--json")
    assert reported.exit_code == 1
    assert [(each["member"], each["number"]) for each in json.loads(reported.stdout)["failed"]] == [("bad.csv.gz", 2)]


def test_no_member_is_begun_after_a_failed_one_if_told_so(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar", BAD)
    result = run(archive, "--to", f"{tmp_path}/out/", "--on-member-failure", "fail")
    assert result.exit_code == 1
    assert files_in(tmp_path / "out") == {"a.csv": A}
    assert "1 failed, stopped after the failed member, " in result.stdout


def test_a_member_of_a_zip_with_a_wrong_checksum_fails_alone(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.zip", {"a.csv": A, "b.csv": B})
    with zipfile.ZipFile(archive) as reader:
        crc = reader.getinfo("b.csv").CRC.to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(crc, bytes(4)))
    result = run(archive, "--to", f"{tmp_path}/out/")
    assert result.exit_code == 1
    assert files_in(tmp_path / "out") == {"a.csv": A}
    assert f"failed: b.csv: {archive}/b.csv: " in result.stderr


def test_an_archive_that_is_cut_off_is_refused_before_anything_is_written(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    cut = 2300 if archive.suffix == ".tar" else len(whole) // 2  # within a header
    archive.write_bytes(whole[:cut])
    refused(run(archive, "--to", f"{tmp_path}/out/"), f"{archive}: ", "at byte ")
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.delivery.decoding.HARMLESS_BYTES", 1 << 20)
    archive = written(tmp_path / "data.tar.gz", {"zeros": bytes(40 << 20)})
    refused(run(archive, "--to", f"{tmp_path}/out/"), "the ceiling of route")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_nothing_partial_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = written(tmp_path / "data.tar", {f"{number}.csv": A for number in range(100)})
    write = FileSink.write

    def pressed(self: FileSink, chunk: bytes | memoryview) -> None:
        write(self, chunk)
        if self._path.name == "20.csv":
            raise KeyboardInterrupt

    monkeypatch.setattr(FileSink, "write", pressed)
    result = run(archive, "--to", f"{tmp_path}/out/")
    assert result.exit_code == 130
    assert "Interrupted: 20 members are delivered, and nothing is partial." in result.stderr
    found = files_in(tmp_path / "out")
    assert {f"{number}.csv": A for number in range(20)}.items() <= found.items()
    assert "20.csv" not in found
    assert set(found.values()) == {A}
    assert not any(name.startswith(".") for name in found)


# S3.


def objects_in(lake: Lake, prefix: str) -> dict[str, bytes]:
    keys = lake.keys()
    return {key: lake.read(key) for key in keys if key.startswith(prefix)}


def test_members_of_a_file_become_objects(archive: Path, lake: Lake) -> None:
    done(run(archive, "--to", f"{lake.uri}/out/", "--endpoint-url", lake.proxy.url))
    assert objects_in(lake, "") == {f"out/{name}": data for name, data in DECODED.items()}


@pytest.mark.long
def test_members_of_an_object_become_objects(archive: Path, lake: Lake) -> None:
    lake.put(f"in/{archive.name}", archive.read_bytes())
    source = f"{lake.uri}/in/{archive.name}"
    result = done(run(source, "--to", f"{lake.uri}/out/", "--endpoint-url", lake.proxy.url))
    assert objects_in(lake, "out/") == {f"out/{name}": data for name, data in DECODED.items()}
    assert result.stdout.startswith(f"run: {source}/data/a.csv to {lake.uri}/out/data/a.csv (")
    metadata = lake.client.head_object(Bucket=lake.bucket, Key="out/data/a.csv")["Metadata"]
    assert metadata["penstock-source"] == f"{source}/data/a.csv"
    assert len(metadata["member-modified"]) >= len("2026-01-02T03:04:05")


@pytest.mark.parametrize("name", ["data.tar", "data.zip"])
def test_many_small_members_cost_few_requests(name: str, tmp_path: Path, lake: Lake) -> None:
    archive = written(tmp_path / name, {f"{number}.csv": A for number in range(300)})
    lake.put(name, archive.read_bytes())
    done(run(f"{lake.uri}/{name}", "--to", f"{tmp_path}/out/", "--endpoint-url", lake.proxy.url, "--quiet"))
    assert len(files_in(tmp_path / "out")) == 300
    assert len(lake.proxy.requests("GetObject")) <= 12


def test_an_error_that_would_meet_every_member_ends_the_run(archive: Path, lake: Lake) -> None:
    lake.proxy.schedule = always("PutObject", Refusal(403, "AccessDenied"))
    refused(
        run(archive, "--to", f"{lake.uri}/x/", "--endpoint-url", lake.proxy.url),
        f"access denied: s3:PutObject on {lake.uri}/x/data/a.csv",
    )


# PostgreSQL.


def load(database: Database, *arguments: object) -> Result:
    return run(*arguments, "--dsn", database.dsn)


def ids(database: Database) -> list[object]:
    return [number for (number,) in database.execute("SELECT id FROM orders ORDER BY id")]


def test_each_member_is_a_load_of_its_own(archive: Path, database: Database) -> None:
    arguments = (archive, "--to", "postgresql:orders", "--create", "--members", "*.csv*")
    result = done(load(database, *arguments))
    assert ids(database) == [1, 2, 3]
    assert "(2 members, 49 B, 3 rows, 1 left out, " in result.stdout
    again = done(load(database, *arguments))
    assert ids(database) == [1, 2, 3]
    assert again.stdout.count("is already loaded into") == 2
    assert "(2 members, 49 B, 3 rows, 2 already loaded, 1 left out, " in again.stdout


def test_a_member_that_no_parser_takes_fails_alone(archive: Path, database: Database) -> None:
    result = load(database, archive, "--to", "postgresql:orders", "--create")
    assert result.exit_code == 1
    assert ids(database) == [1, 2, 3]
    assert "failed: notes.txt: " in result.stderr


def test_rejects_of_each_member_have_their_own_file(tmp_path: Path, database: Database) -> None:
    bad = b"id,name\nx,bad\n"
    archive = written(tmp_path / "data.tar.gz", {"a.csv": A, "d/b.csv": B + bad[8:], "d/c.csv": A + bad[8:]})
    arguments = ("--to", "postgresql:orders", "--create", "--max-rejects", 1)
    result = done(load(database, archive, *arguments))
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "data.tar.gz.rejects.2-b.csv.jsonl",
        "data.tar.gz.rejects.3-c.csv.jsonl",
    ]
    assert "2 rejected" in result.stdout
    done(load(database, archive, *arguments, "--rejects", tmp_path / "mine", "--again"))
    assert sorted(path.name for path in tmp_path.glob("mine*")) == ["mine.2-b.csv.jsonl", "mine.3-c.csv.jsonl"]


REPLACE = ("--to", "postgresql:orders", "--create", "--mode", "replace", "--members", "*.csv*")


def stagings(database: Database) -> set[str]:
    return {name for name in database.tables() if name.startswith("penstock_staging")}


@pytest.mark.long
def test_members_replace_a_table_together(archive: Path, database: Database) -> None:
    done(load(database, archive, *REPLACE[:-1], "data/a.csv"))
    assert ids(database) == [1, 2]
    for _ in range(2):
        result = done(load(database, archive, *REPLACE))
        assert ids(database) == [1, 2, 3]
        assert "(2 members, 49 B, 3 rows, 1 left out, " in result.stdout
        assert stagings(database) == set()
        database.execute("INSERT INTO orders VALUES (9, 'later')")


def test_a_member_that_fails_keeps_the_rows_of_the_table(tmp_path: Path, database: Database) -> None:
    archive = written(tmp_path / "data.tar.gz", {"a.csv": A, "b.csv": B + b"x,bad\n", "c.csv": A[:8] + b"4,d\n"})
    database.execute("CREATE TABLE orders (id bigint, name text); INSERT INTO orders VALUES (9, 'old')")
    result = load(database, archive, *REPLACE)
    assert result.exit_code == 1
    assert "failed: b.csv: " in result.stderr
    unchanged = "staged, not visible: orders: 3 members replace it, but 2 are staged"
    assert [f"failed: {name}: {unchanged}" in result.stderr for name in ("a.csv", "c.csv")] == [True, True]
    assert "Nothing was published. Correct what failed, then run the same command again." in result.stderr
    assert ids(database) == [9]
    assert stagings(database) == set()
    result = load(database, archive, *REPLACE, "--on-member-failure", "fail")
    assert result.exit_code == 1
    assert (ids(database), stagings(database)) == ([9], set())
    done(load(database, archive, *REPLACE, "--max-rejects", 1))
    assert ids(database) == [1, 2, 3, 4]


@pytest.mark.parametrize("step", ["begin", "finish"])
@pytest.mark.long
def test_a_run_that_was_killed_is_begun_anew(
    step: str, archive: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute("CREATE TABLE orders (id bigint, name text); INSERT INTO orders VALUES (9, 'old')")
    good = getattr(PostgresTableSwap, step)

    def die(*arguments: object, **named: object) -> None:
        good(*arguments, **named)
        monkeypatch.setattr(PostgresTableSwap, "abort", lambda swap, **options: None)  # as after a kill
        raise KeyboardInterrupt

    monkeypatch.setattr(PostgresTableSwap, step, die)
    load(database, archive, *REPLACE)
    assert ids(database) == ([9] if step == "begin" else [1, 2, 3])
    monkeypatch.undo()
    done(load(database, archive, *REPLACE))
    assert ids(database) == [1, 2, 3]
    assert stagings(database) == set()


def test_rows_that_only_the_table_refuses_are_in_the_file_of_their_member(tmp_path: Path, database: Database) -> None:
    database.execute(
        "CREATE TABLE orders (id bigint, name text);"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.name = 'bad' THEN RAISE check_violation USING MESSAGE = 'no'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    archive = written(tmp_path / "data.tar", {"a.csv": A, "b.csv": B + b"x,1\n5,bad\n"})
    result = load(database, archive, *REPLACE, "--max-rejects", 1)
    assert result.exit_code == 1
    assert "failed: b.csv: staged, not visible: the table refuses 1 of its rows: see " in result.stderr
    assert ids(database) == []
    done(load(database, archive, *REPLACE, "--max-rejects", 2))
    assert ids(database) == [1, 2, 3]
    lines = (tmp_path / "data.tar.rejects.2-b.csv.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in lines] == [2, 3]


# DynamoDB.


def test_members_become_items(archive: Path, server: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=server)
    client.create_table(
        TableName=f"members-{archive.suffix[1:]}",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    to = f"dynamodb:members-{archive.suffix[1:]}"
    for _ in range(2):
        result = done(run(archive, "--to", to, "--members", "*.csv*", "--endpoint-url", server))
        assert "(2 members, 49 B, 3 rows, " in result.stdout
    assert client.scan(TableName=to.partition(":")[2], Select="COUNT")["Count"] == 3


# From Python.


def test_the_receipt_has_the_receipts_of_the_members(archive: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    receipt = penstock.run(archive, to=f"{tmp_path}/out/", members=["!notes.txt"], on_progress=seen.append)
    assert [Path(member.target).name for member in receipt.members] == ["a.csv", "b.csv"]
    assert (receipt.bytes_in, receipt.bytes_out) == (archive.stat().st_size, len(A) + len(B))
    assert seen[-1].bytes_in == len(A) + len(FILES["data/deep/b.csv.gz"])
    assert files_in(tmp_path / "out") == {name: data for name, data in DECODED.items() if name != "notes.txt"}


def test_members_that_failed_are_an_error_at_the_end(tmp_path: Path) -> None:
    archive = written(tmp_path / "data.tar", BAD)
    with pytest.raises(penstock.IncompleteJobError, match="1 of 3 members failed") as caught:
        penstock.run(archive, to=f"{tmp_path}/out/")
    assert "bad.csv.gz" in caught.value.__notes__[0]
    assert files_in(tmp_path / "out") == {"a.csv": A, "c.csv": B}


def test_options_for_members_need_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(A)
    with pytest.raises(penstock.InvalidRouteError, match="no archive is taken apart"):
        penstock.run(tmp_path / "a.csv", to=tmp_path / "b.csv", members=["*"])
    with pytest.raises(penstock.InvalidRouteError, match="options for members need `to`"):
        penstock.run(tmp_path / "a.csv", routes="routes.toml", members=["*"])


# By routes.

ROUTES = """
[[route]]
name = "apart"
match = ["in/*.tar*", "in/*.zip"]
archive = "members"
members = ["*", "!left*"]
{failure}

[[route]]
name = "rows"
match = ["in/*/orders*.csv"]
destination = "postgresql:orders"
[route.table]
create = true
mode = "{mode}"

[[route]]
name = "files"
match = ["in/*.csv", "in/*.csv.gz"]
destination = "s3://{bucket}/out/{{archive}}/{{member}}"
"""


def by_routes(tmp_path: Path, lake: Lake, *arguments: object, mode: str = "append", failure: str = "") -> Result:
    routes = tmp_path / "routes.toml"
    routes.write_text(ROUTES.format(bucket=lake.bucket, mode=mode, failure=failure))
    return run(*arguments, "--routes", routes, "--endpoint-url", lake.proxy.url)


@pytest.mark.parametrize("name", ["data.tar", "data.tar.gz", "data.zip"])
@pytest.mark.long
def test_each_member_goes_where_its_own_route_leads(name: str, tmp_path: Path, lake: Lake, database: Database) -> None:
    files = {"a.csv": A, "orders.csv": B, "left.csv": B, "notes.txt": b"", "d/b.csv": B}
    archive = written(tmp_path / name, files)
    result = done(by_routes(tmp_path, lake, archive, "--as", f"in/{name}", "--dsn", database.dsn))
    assert objects_in(lake, "out/") == {f"out/in/{name}/a.csv": A, f"out/in/{name}/d/b.csv": B}
    assert ids(database) == [3]
    assert result.stderr == "skipped: notes.txt: no route takes it\n"
    assert "to the routes of its members (3 members, " in result.stdout
    lake.put(f"in/{name}", archive.read_bytes())
    done(by_routes(tmp_path, lake, f"{lake.uri}/in/{name}", "--dsn", database.dsn))
    assert ids(database) == [3, 3]


def test_members_replace_a_table_by_their_route(tmp_path: Path, lake: Lake, database: Database) -> None:
    archive = written(tmp_path / "data.tar", {"orders1.csv": A, "a.csv": A, "orders2.csv": B})
    database.execute("CREATE TABLE orders (id bigint, name text); INSERT INTO orders VALUES (9, 'old')")
    done(by_routes(tmp_path, lake, archive, "--as", "in/data.tar", "--dsn", database.dsn, mode="replace"))
    assert ids(database) == [1, 2, 3]
    assert lake.keys() == ["out/in/data.tar/a.csv"]


MORE = """
[[route]]
name = "added"
match = ["in/*/orders2.csv"]
destination = "postgresql:orders"
"""


def test_no_member_adds_to_a_table_that_another_replaces(
    tmp_path: Path, lake: Lake, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROUTES", MORE + ROUTES)
    archive = written(tmp_path / "data.tar", {"orders1.csv": A, "a.csv": A, "orders2.csv": B})
    result = by_routes(tmp_path, lake, archive, "--as", "in/data.tar", "--dsn", database.dsn, mode="replace")
    refused(result, "'orders1.csv' (number 1) and 'orders2.csv' (number 3) would both become postgresql:orders")
    assert lake.keys() == []
    assert database.tables() == set()


def test_the_route_says_what_follows_a_failure(tmp_path: Path, lake: Lake) -> None:
    archive = written(tmp_path / "data.tar", BAD)
    result = by_routes(tmp_path, lake, archive, "--as", "in/data.tar", failure='on_member_failure = "fail"')
    assert result.exit_code == 1
    assert lake.keys() == ["out/in/data.tar/a.csv"]


def test_a_route_for_archives_needs_the_name_of_one(tmp_path: Path, lake: Lake) -> None:
    archive = written(tmp_path / "data.tar", {"a.csv": A})
    refused(
        by_routes(tmp_path, lake, archive, "--as", "in/data.tar.x"),
        "no file or object with the name of an archive",
        "--as",
    )
