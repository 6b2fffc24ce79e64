"""`penstock sync`: what it transfers, what it skips, its output and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from moto.s3.models import s3_backends

from functional.faulty_s3 import CutResponse, Hold, Refusal, always, first
from functional.s3_lake import LONG_AGO, Lake, tree, write
from functional.terminal import terminal
from penstock.aws.s3.body import PIECE
from penstock.limits import MIB

pytest_plugins = ["functional.lake_fixtures"]

PARTS = [os.urandom(5 * MIB), os.urandom(5 * MIB), os.urandom(1000)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def settled(path: Path) -> None:
    """Make the ctime of a file so old that its digest is cached."""
    while time.time_ns() - max(one.stat().st_ctime_ns for one in path.rglob("*")) < 2_100_000_000:
        time.sleep(0.05)


def test_a_folder_goes_up_with_its_names_content_and_times(lake: Lake, folder: Path) -> None:
    write(folder / "a.csv", b"1,2\n")
    write(folder / "deep" / "er" / "ü b.bin", b"\0" * 10)
    write(folder / "empty", b"")
    result = lake.sync(folder, f"{lake.uri}/data")
    assert (result.exit_code, sorted(result.stdout.splitlines())) == (
        0,
        [
            f"upload: {folder}/a.csv to {lake.uri}/data/a.csv",
            f"upload: {folder}/deep/er/ü b.bin to {lake.uri}/data/deep/er/ü b.bin",
            f"upload: {folder}/empty to {lake.uri}/data/empty",
        ],
    )
    assert lake.read("data/deep/er/ü b.bin") == b"\0" * 10
    head = lake.client.head_object(Bucket=lake.bucket, Key="data/a.csv")
    assert head["ContentType"] == "text/csv"
    assert head["Metadata"]["mtime"] == "1600000000.123456789"
    assert result.stderr == "3 uploaded, 0 unchanged\n"


def test_what_went_up_comes_down_the_same_times_included(lake: Lake, folder: Path, tmp_path: Path) -> None:
    write(folder / "a" / "b", b"content")
    write(folder / "large", b"".join(PARTS))
    write(folder / "middling", os.urandom(1 * MIB + 5))
    lake.sync(folder, lake.uri)
    result = lake.sync(lake.uri, tmp_path / "back")
    assert result.exit_code == 0
    assert tree(tmp_path / "back") == tree(folder)
    assert (tmp_path / "back" / "a" / "b").stat().st_mtime_ns == LONG_AGO


@pytest.mark.parametrize("size", [1 * MIB, 9 * MIB])
@pytest.mark.parametrize("share", [0.25, 0.75])  # of all reads: each file is hashed first, then sent
def test_a_file_that_is_cut_while_it_is_read_is_not_published(
    lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch, size: int, share: float
) -> None:
    write(folder / "a", os.urandom(size))
    reads, preadv = count(1), os.preadv

    def cutting(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if next(reads) == round(share * 2 * size / PIECE):
            os.truncate(folder / "a", 10)
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", cutting)
    result = lake.sync(folder, lake.uri)
    assert (result.exit_code, lake.keys()) == (1, [])
    assert result.stderr.endswith("became shorter while it was being read\n1 failed, 0 unchanged\n")


def test_an_object_without_a_time_in_its_metadata_gives_the_file_its_own(lake: Lake, folder: Path) -> None:
    lake.put("a", b"content")
    for number, mtime in enumerate(["yesterday", "NaN", "Infinity", "1e30", "1e999999999", ""]):
        lake.put(str(number), b"content", Metadata={"mtime": mtime})
    assert lake.sync(lake.uri, folder).exit_code == 0
    for path in folder.iterdir():
        head = lake.client.head_object(Bucket=lake.bucket, Key=path.name)
        assert path.stat().st_mtime == head["LastModified"].timestamp()


@pytest.mark.parametrize("mtime_ns", [-1_500_000_000, -1, 0, 4_102_444_800_000_000_001])
def test_times_before_1970_and_far_ahead_are_kept_too(lake: Lake, folder: Path, tmp_path: Path, mtime_ns: int) -> None:
    kept = write(folder / "a", b"content", mtime_ns).stat().st_mtime_ns
    lake.sync(folder, lake.uri)
    lake.sync(lake.uri, tmp_path / "back")
    assert (tmp_path / "back" / "a").stat().st_mtime_ns == kept


def test_without_changes_only_a_listing_is_requested(lake: Lake, folder: Path) -> None:
    for number in range(20):
        write(folder / str(number), b"content %d" % number)
    lake.sync(folder, lake.uri)
    result = lake.sync(folder, lake.uri)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "20 unchanged\n")
    assert lake.requests == ["GetObject"]
    assert lake.sync(lake.uri, folder).stderr == "20 unchanged\n"
    assert lake.requests == ["GetObject"]


def test_a_second_comparison_reads_no_file(lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "a", b"content")
    lake.put("a", b"content")
    settled(folder)
    lake.sync(folder, lake.uri)
    with monkeypatch.context() as patch:
        patch.setattr("penstock.sync.local_tree.LocalFolder.chunks", None)  # the only function that reads files
        assert lake.sync(folder, lake.uri).stderr == "1 unchanged\n"


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_a_change_of_content_is_found_though_size_and_mtime_are_equal(lake: Lake, folder: Path, up: bool) -> None:
    write(folder / "a", b"before")
    lake.sync(folder, lake.uri)
    settled(folder)
    lake.sync(folder, lake.uri)  # digests are cached now
    if up:
        write(folder / "a", b"after!")
        assert lake.sync(folder, lake.uri).stdout.startswith("upload: ")
        assert lake.read("a") == b"after!"
    else:
        lake.put("a", b"after!", Metadata={"mtime": "1600000000.123456789"})
        assert lake.sync(lake.uri, folder).stdout.startswith("download: ")
        assert (folder / "a").read_bytes() == b"after!"


@pytest.mark.parametrize("part", [5 * MIB, 6 * MIB, 8 * MIB])
@pytest.mark.long
def test_multipart_objects_compare_exactly_whatever_their_part_size(lake: Lake, folder: Path, part: int) -> None:
    data = b"".join(PARTS)
    write(folder / "a", data)
    lake.put_parts("a", [data[at : at + part] for at in range(0, len(data), part)])
    assert lake.sync(folder, lake.uri).stderr == "1 unchanged\n"
    write(folder / "a", data[:-1] + bytes([data[-1] ^ 1]))
    result = lake.sync(folder, lake.uri)
    assert result.stdout == f"upload: {folder}/a to {lake.uri}/a\n"


def test_multipart_objects_of_unequal_parts_compare_exactly(lake: Lake, folder: Path) -> None:
    parts = [PARTS[0] + b"x", PARTS[1], PARTS[1] + b"yz", PARTS[2]]
    write(folder / "a", b"".join(parts))
    lake.put_parts("a", parts)
    assert lake.sync(folder, lake.uri).stderr == "1 unchanged\n"


def test_the_attributes_of_a_multipart_object_are_requested_once(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"".join(PARTS))
    lake.put_parts("a", PARTS)
    lake.sync(folder, lake.uri)
    assert "HeadObject" in lake.requests
    lake.sync(folder, lake.uri)
    assert lake.requests == ["GetObject"]


def test_an_opaque_object_of_ours_is_known_by_the_digest_in_its_metadata(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"content")
    lake.sync(folder, lake.uri)
    lake.make_opaque("a", "0123456789abcdef0123456789abcdef")
    assert lake.sync(folder, lake.uri).stderr == "1 unchanged\n"
    write(folder / "a", b"changed")
    assert lake.sync(folder, lake.uri).stdout.startswith("upload: ")


def test_an_opaque_object_is_downloaded_reported_and_then_cached(lake: Lake, folder: Path) -> None:
    lake.put("a", b"content")
    lake.make_opaque("a", "0123456789abcdef0123456789abcdef")
    write(folder / "a", b"CONTENT")
    result = lake.sync(lake.uri, folder)
    assert f"{lake.uri}/a: its content could not be compared, so it was transferred\n" in result.stderr
    assert (folder / "a").read_bytes() == b"content"
    assert lake.sync(lake.uri, folder).stderr == "1 unchanged\n"


def test_a_prefix_is_copied_within_s3_with_its_etags(lake: Lake, folder: Path) -> None:
    lake.put("from/a", b"content", ContentType="text/x-mine", Metadata={"who": "me"})
    lake.put_parts("from/large", PARTS)
    result = lake.sync(f"{lake.uri}/from", f"{lake.uri}/to")
    assert sorted(result.stdout.splitlines()) == [
        f"copy: {lake.uri}/from/a to {lake.uri}/to/a",
        f"copy: {lake.uri}/from/large to {lake.uri}/to/large",
    ]
    for name in ("a", "large"):
        one, other = (lake.client.head_object(Bucket=lake.bucket, Key=f"{prefix}/{name}") for prefix in ("from", "to"))
        assert (one["ETag"], one["Metadata"], one["ContentType"]) == (
            other["ETag"],
            other["Metadata"],
            other["ContentType"],
        )
    again = lake.sync(f"{lake.uri}/from", f"{lake.uri}/to")
    assert (again.stdout, lake.requests) == ("", ["GetObject"] * 2)


@pytest.mark.parametrize(
    ("operation", "key"), [("PutObject", "a"), ("UploadPart", "large"), ("CompleteUpload", "large")]
)
@pytest.mark.long
def test_a_copy_that_fails_with_status_200_is_done_again(lake: Lake, operation: str, key: str) -> None:
    lake.put("from/a", b"content")
    lake.put_parts("from/large", PARTS)
    lake.proxy.schedule = first(2, operation, Refusal(200, "InternalError"))
    result = lake.sync(f"{lake.uri}/from", f"{lake.uri}/to")
    assert (result.exit_code, lake.requests.count(operation) > 2) == (0, True), result.output
    assert lake.read(f"to/{key}") == lake.read(f"from/{key}")


def test_a_copy_that_fails_with_status_200_every_time_is_said_to_have_failed(lake: Lake) -> None:
    lake.put("from/a", b"content")
    lake.proxy.schedule = always("PutObject", Refusal(200, "InternalError"))
    result = lake.sync(f"{lake.uri}/from", f"{lake.uri}/to")
    assert (result.exit_code, lake.keys()) == (1, ["from/a"])
    assert "InternalError" in result.stderr


def test_delete_removes_what_the_source_has_not_and_only_with_the_option(lake: Lake, folder: Path) -> None:
    write(folder / "keep", b"1")
    for key in ("keep", "gone", "deep/gone"):
        lake.put(key, b"1")
    lake.sync(folder, lake.uri)
    assert lake.keys() == ["deep/gone", "gone", "keep"]
    result = lake.sync(folder, lake.uri, "--delete")
    assert sorted(result.stdout.splitlines()) == [f"delete: {lake.uri}/deep/gone", f"delete: {lake.uri}/gone"]
    assert lake.keys() == ["keep"]


def test_delete_removes_files_but_none_that_a_filter_excludes(lake: Lake, folder: Path) -> None:
    write(folder / "gone", b"1")
    write(folder / "mine.txt", b"1")
    lake.put("a", b"1")
    result = lake.sync(lake.uri, folder, "--delete", "--exclude", "*.txt")
    assert f"delete: {folder}/gone" in result.stdout.splitlines()
    assert sorted(tree(folder)) == ["a", "mine.txt"]


def test_nothing_is_deleted_where_not_all_of_the_source_could_be_seen(lake: Lake, folder: Path) -> None:
    (folder / "dangling").symlink_to("nowhere")
    lake.put("dangling", b"1")
    lake.put("other", b"1")
    result = lake.sync(folder, lake.uri, "--delete")
    assert (result.exit_code, lake.keys()) == (1, ["dangling", "other"])
    assert "the symbolic link is broken" in result.stderr
    assert "nothing was deleted" in result.stderr


def test_a_dry_run_prints_what_the_run_then_prints_and_does_nothing(lake: Lake, folder: Path) -> None:
    for name in ("new", "changed", "same", "left/out"):
        write(folder / name, b"1234")
    lake.put("changed", b"abcd")
    lake.put("same", b"1234")
    lake.put("gone", b"1")
    options = ("--delete", "--exclude", "left/*")
    dry = lake.sync(folder, lake.uri, "--dry-run", *options)
    assert lake.keys() == ["changed", "gone", "same"]
    assert lake.read("changed") == b"abcd"
    run = lake.sync(folder, lake.uri, *options)
    assert sorted(dry.stdout.splitlines()) == sorted(run.stdout.splitlines())
    assert (len(run.stdout.splitlines()), lake.keys()) == (3, ["changed", "new", "same"])
    assert dry.stderr == "would be: 2 uploaded, 1 deleted, 1 unchanged\n"


def test_the_order_of_filters_on_the_command_line_counts(lake: Lake, folder: Path) -> None:
    for name in ("a.txt", "b.csv", "c.txt"):
        write(folder / name, b"1")
    lake.sync(folder, lake.uri, "--exclude", "*", "--include", "*.txt", "--exclude", "c*")
    assert lake.keys() == ["a.txt"]
    lake.sync(folder, lake.uri, "--include=*.csv", "--exclude", "*")
    assert lake.keys() == ["a.txt"]


def test_size_only_takes_files_of_the_same_size_for_equal(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"before")
    lake.put("a", b"after!")
    lake.put("b", b"long")
    write(folder / "b", b"short")
    result = lake.sync(folder, lake.uri, "--size-only")
    assert result.stdout == f"upload: {folder}/b to {lake.uri}/b\n"


def test_exact_timestamps_go_by_time_as_the_aws_command_does(lake: Lake, folder: Path) -> None:
    lake.put("a", b"before", Metadata={"mtime": "1"})
    options = (lake.uri, folder, "--exact-timestamps")
    assert lake.sync(*options).stdout.startswith("download: ")
    modified = lake.client.head_object(Bucket=lake.bucket, Key="a")["LastModified"].timestamp()
    assert (folder / "a").stat().st_mtime == modified
    assert lake.sync(*options).stdout == ""
    os.utime(folder / "a", (modified + 1, modified + 1))
    assert lake.sync(*options).stdout.startswith("download: ")


@pytest.mark.parametrize(
    "key", ["../outside", "deep/../../outside", "/absolute", "a//b", "a/./b", "folder-with-bytes/"]
)
def test_a_key_that_would_leave_the_folder_is_refused_and_the_others_are_downloaded(
    lake: Lake, folder: Path, key: str
) -> None:
    _put_raw(lake, f"in/{key}")
    lake.put("in/good", b"1")
    result = lake.sync(f"{lake.uri}/in", folder / "target")
    assert (result.exit_code, tree(folder)) == (1, {"target/good": b"1"})
    assert f"failed: {lake.uri}/in/{key}: the key " in result.stderr


def _put_raw(lake: Lake, key: str) -> None:
    """Put an object with dots in its key, which clients normalise."""
    next(iter(s3_backends.values()))["aws"].put_object(lake.bucket, key, b"evil")


def test_a_key_that_is_both_a_file_and_a_folder_fails_alone(lake: Lake, folder: Path) -> None:
    for key in ("a", "a/b", "a/c/d", "a-", "b"):
        lake.put(key, key.encode())
    result = lake.sync(lake.uri, folder)
    assert (result.exit_code, sorted(tree(folder))) == (1, ["a", "a-", "b"])
    assert result.stderr.count("cannot be both a file and a folder") == 2


def test_a_file_with_the_name_of_a_folder_fails_alone(lake: Lake, folder: Path) -> None:
    write(folder / "a" / "mine", b"1")
    lake.put("a", b"2")
    lake.put("b", b"2")
    result = lake.sync(lake.uri, folder)
    assert (result.exit_code, tree(folder)) == (1, {"a/mine": b"1", "b": b"2"})


def test_a_link_out_of_the_folder_is_not_written_through(lake: Lake, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside" / "mine", b"1")
    (folder / "link").symlink_to(tmp_path / "outside")
    lake.put("link/evil", b"2")
    lake.put("good", b"2")
    result = lake.sync(lake.uri, folder, "--delete")
    assert (result.exit_code, tree(tmp_path / "outside")) == (1, {"mine": b"1"})
    assert (folder / "good").read_bytes() == b"2"
    assert "points outside" in result.stderr
    assert "'link' is a symbolic link; nothing is deleted through a link" in result.stderr


def test_what_a_link_leads_to_stays_under_its_own_name(lake: Lake, folder: Path) -> None:
    write(folder / "real" / "a", b"1")
    (folder / "link").symlink_to("real")
    lake.put("real/a", b"1")
    for _ in range(2):
        result = lake.sync(lake.uri, folder, "--delete")
        assert (result.exit_code, result.stdout, (folder / "real" / "a").read_bytes()) == (1, "", b"1")
        assert f"failed: {folder}/link/a: 'link' is a symbolic link" in result.stderr
    result = lake.sync(lake.uri, folder, "--delete", "--no-follow-symlinks")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "1 unchanged\n")


def test_a_link_to_a_folder_gives_way_to_a_file(lake: Lake, folder: Path) -> None:
    write(folder / "real" / "a", b"1")
    (folder / "link").symlink_to("real")
    lake.put("real/a", b"1")
    lake.put("link", b"2")
    assert lake.sync(lake.uri, folder, "--delete").exit_code == 0
    assert not (folder / "link").is_symlink()
    assert tree(folder) == {"link": b"2", "real/a": b"1"}


def test_symbolic_links_are_followed_by_default(lake: Lake, folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "deep" / "a", b"1")
    (folder / "folder").symlink_to(tmp_path / "elsewhere")
    (folder / "file").symlink_to(tmp_path / "elsewhere" / "deep" / "a")
    write(folder / "plain", b"1")
    lake.sync(folder, f"{lake.uri}/no", "--no-follow-symlinks")
    lake.sync(folder, f"{lake.uri}/yes")
    assert lake.keys() == ["no/plain", "yes/file", "yes/folder/deep/a", "yes/plain"]


def test_a_loop_of_links_ends(lake: Lake, folder: Path) -> None:
    write(folder / "deep" / "a", b"1")
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "self").symlink_to("self")
    result = lake.sync(folder, lake.uri)
    assert (result.exit_code, lake.keys()) == (1, ["deep/a"])
    assert "points to a folder that contains it" in result.stderr
    assert "the symbolic link is broken" in result.stderr


def test_a_pipe_is_passed_by(lake: Lake, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    write(folder / "a", b"1")
    result = lake.sync(folder, lake.uri)
    assert (result.exit_code, lake.keys()) == (1, ["a"])
    assert f"failed: {folder}/pipe: is a named pipe" in result.stderr


def test_a_name_that_is_not_utf8_fails_alone(lake: Lake, folder: Path) -> None:
    os.close(os.open(os.fsencode(folder) + b"/\xff", os.O_CREAT))
    write(folder / "a", b"1")
    result = lake.sync(folder, lake.uri)
    assert (result.exit_code, lake.keys()) == (1, ["a"])
    assert "not UTF-8" in result.stderr


def test_what_is_refused_fails_alone_and_the_exit_code_says_so(lake: Lake, folder: Path) -> None:
    for name in ("a", "b"):
        write(folder / name, b"1")
    lake.proxy.schedule = first(1, "PutObject", Refusal(400, "KeyTooLongError"))
    result = lake.sync(folder, lake.uri)
    assert (result.exit_code, len(lake.keys())) == (1, 1)
    assert "KeyTooLongError" in result.stderr
    assert result.stderr.endswith("1 uploaded, 1 failed, 0 unchanged\n")


def test_a_file_in_the_making_is_never_seen_and_a_failure_leaves_none(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"before")
    lake.put("a", b"after!")
    lake.proxy.schedule = lambda _: Refusal(403, "AccessDenied") if lake.proxy.log else None  # after the listing
    result = lake.sync(lake.uri, folder)
    assert (result.exit_code, tree(folder)) == (1, {"a": b"before"})
    assert "access denied: s3:GetObject" in result.stderr


def test_leftovers_of_a_killed_run_are_neither_uploaded_nor_counted(lake: Lake, folder: Path) -> None:
    write(folder / ".penstock-making-0123456789abcdef", b"half")
    write(folder / "a", b"1")
    lake.sync(folder, lake.uri)
    assert lake.keys() == ["a"]


def test_a_missing_bucket_is_one_line(lake: Lake, folder: Path) -> None:
    result = lake.sync("s3://no-such-lake", folder)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: s3:ListBucket on no-such-lake: NoSuchBucket")


def test_a_missing_folder_is_one_line_and_deletes_nothing(lake: Lake, folder: Path) -> None:
    lake.put("a", b"1")
    result = lake.sync(folder / "missing", lake.uri, "--delete")
    assert (result.exit_code, lake.keys()) == (1, ["a"])
    assert "missing: no such folder" in result.stderr


def test_expired_credentials_end_the_run_with_one_line(lake: Lake, folder: Path) -> None:
    lake.proxy.schedule = always("GetObject", Refusal(400, "ExpiredToken"))
    result = lake.sync(lake.uri, folder)
    assert result.exit_code == 1
    assert result.stderr.count("ExpiredToken") == 1


@pytest.mark.parametrize(
    "arguments",
    [("here", "there"), ("s3://", "there"), ("s3://lake/a", "s3://lake/a/b"), ("s3://lake/a/b", "s3://lake/a")],
)
def test_a_pair_that_makes_no_sense_is_refused(lake: Lake, arguments: tuple[str, str]) -> None:
    assert lake.sync(*arguments).exit_code == 1
    assert lake.requests == []


def test_json_is_one_object_with_all_that_was_done(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"12345")
    (folder / "dangling").symlink_to("nowhere")
    result = lake.sync(folder, lake.uri, "--json")
    answer = json.loads(result.stdout)
    assert answer["steps"] == [
        {
            "kind": "upload",
            "name": "a",
            "source": f"{folder}/a",
            "destination": f"{lake.uri}/a",
            "size": 5,
            "unproven": False,
        }
    ]
    assert (answer["bytes"], answer["unchanged"], answer["failed"][0]["name"]) == (5, 0, "dangling")


def test_quiet_says_nothing_but_errors(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"1")
    result = lake.sync(folder, lake.uri, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_the_installed_command_does_it(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"1")
    command = [str(Path(sys.executable).parent / "penstock"), "sync", ".", f"{lake.uri}/x/", "--endpoint-url"]
    done = subprocess.run([*command, lake.proxy.url], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"upload: ./a to {lake.uri}/x/a\n")


@pytest.mark.long
def test_two_concurrent_runs_share_their_cache(lake: Lake, folder: Path) -> None:
    for number in range(40):
        write(folder / str(number), b"content %d" % number)
    lake.sync(folder, lake.uri)
    settled(folder)
    command = [str(Path(sys.executable).parent / "penstock"), "sync", str(folder), lake.uri, "--endpoint-url"]
    runs = [subprocess.Popen([*command, lake.proxy.url], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate()[1] for run in runs] == ["40 unchanged\n"] * 2


def test_bytes_that_arrive_damaged_are_never_published(lake: Lake, folder: Path) -> None:
    lake.put("a", b"content", ChecksumAlgorithm="CRC32")
    lake.stored("a").checksum_value = "AAAAAA=="
    result = lake.sync(lake.uri, folder)
    assert (result.exit_code, tree(folder)) == (1, {})
    assert "5 times in a row" in result.stderr


def test_a_broken_connection_is_taken_up_where_it_broke(lake: Lake, folder: Path) -> None:
    data = os.urandom(1 * MIB)
    lake.put("a", data)
    # The first GET is the listing.
    lake.proxy.schedule = lambda _: CutResponse(after=400 * 1024) if len(lake.proxy.log) == 1 else None
    assert lake.sync(lake.uri, folder).exit_code == 0
    assert tree(folder) == {"a": data}
    assert len(lake.requests) == 3


def test_ctrl_c_ends_with_130_and_leaves_nothing_half_done(lake: Lake, folder: Path) -> None:
    lake.put("a", os.urandom(1 * MIB))
    hold = Hold(Event())
    lake.proxy.schedule = lambda _: hold if lake.proxy.log else None  # after the listing
    command = [str(Path(sys.executable).parent / "penstock"), "sync", lake.uri, str(folder), "--endpoint-url"]
    run = subprocess.Popen([*command, lake.proxy.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert hold.held.wait(30)
    run.send_signal(signal.SIGINT)
    time.sleep(0.3)
    hold.release.set()
    assert (run.communicate(), run.returncode) == (("", ""), 130)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("faulty", ["UploadPart", "CompleteUpload"])
def test_an_upload_that_fails_leaves_no_parts_behind(lake: Lake, folder: Path, faulty: str) -> None:
    write(folder / "a", b"".join(PARTS))
    lake.proxy.schedule = always(faulty, Refusal(403, "AccessDenied"))
    assert lake.sync(folder, lake.uri).exit_code == 1
    assert "Uploads" not in lake.client.list_multipart_uploads(Bucket=lake.bucket)


def test_a_file_and_a_folder_that_have_swapped_names_converge(lake: Lake, folder: Path) -> None:
    write(folder / "one", b"file")
    for name in ("other/a", "other/deep/er/b"):
        write(folder / name, b"in a folder")
    for key in ("one/a", "one/deep/b", "other"):
        lake.put(key, key.encode())
    result = lake.sync(lake.uri, folder, "--delete")
    assert (result.exit_code, result.stderr) == (0, "3 downloaded, 3 deleted, 0 unchanged\n")
    assert tree(folder) == {"one/a": b"one/a", "one/deep/b": b"one/deep/b", "other": b"other"}
    assert lake.sync(lake.uri, folder, "--delete").stderr == "3 unchanged\n"
    write(folder / "third", b"")
    (folder / "other").unlink()
    write(folder / "other" / "back", b"again")
    assert lake.sync(folder, lake.uri, "--delete").exit_code == 0
    assert lake.keys() == ["one/a", "one/deep/b", "other/back", "third"]


def test_what_is_in_the_way_stays_without_delete_and_where_a_filter_keeps_it(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"mine")
    write(folder / "b" / "mine", b"mine")
    lake.put("a/x", b"1")
    lake.put("b", b"1")
    for options in ((), ("--delete", "--exclude", "a", "--exclude", "b/*")):
        result = lake.sync(lake.uri, folder, *options)
        assert (result.exit_code, tree(folder)) == (1, {"a": b"mine", "b/mine": b"mine"}), result.stderr
        assert result.stderr.endswith("2 failed, 0 unchanged\n")


RESERVED = ".penstock-making-0123456789abcdef"


def test_an_object_that_is_called_as_a_file_in_the_making_is_refused_and_never_deleted(
    lake: Lake, folder: Path
) -> None:
    for key in (RESERVED, f"deep/{RESERVED}", "a"):
        lake.put(key, b"1")
    result = lake.sync(lake.uri, folder, "--delete")
    assert (result.exit_code, tree(folder)) == (1, {"a": b"1"})
    assert result.stderr.count("--exclude") == 2
    result = lake.sync(folder, lake.uri, "--delete")
    assert (result.exit_code, result.stderr) == (0, "1 unchanged\n")
    assert lake.keys() == [RESERVED, "a", f"deep/{RESERVED}"]


@pytest.mark.parametrize("name", [".penstock-making-notes.txt", ".penstock-making-", f"{RESERVED}/a", f"{RESERVED}0"])
@pytest.mark.long
def test_a_name_that_only_begins_like_it_is_any_other(lake: Lake, folder: Path, name: str) -> None:
    lake.put(f"there/{name}", b"1")
    assert lake.sync(f"{lake.uri}/there", folder).exit_code == 0
    assert tree(folder) == {name: b"1"}
    assert lake.sync(f"{lake.uri}/there", folder, "--delete").stderr == "1 unchanged\n"
    lake.sync(folder, f"{lake.uri}/back", "--delete")
    assert lake.keys() == [f"back/{name}", f"there/{name}"]


def test_an_empty_source_deletes_nothing_unless_forced(lake: Lake, folder: Path) -> None:
    lake.put("a", b"1")
    write(folder / "mine.txt", b"1")
    (folder / "nothing").mkdir()
    for source, destination in ((folder / "nothing", lake.uri), (f"{lake.uri}/nothing", folder)):
        for options in ((), ("--json",)):
            result = lake.sync(source, destination, "--delete", *options)
            assert (result.exit_code, lake.keys(), tree(folder)) == (1, ["a"], {"mine.txt": b"1"})
            assert "--force" in result.stderr
    assert lake.sync(folder / "nothing", lake.uri, "--delete", "--dry-run").stdout == f"delete: {lake.uri}/a\n"
    assert lake.sync(folder / "nothing", lake.uri, "--delete", "--force").exit_code == 0
    assert lake.keys() == []


def test_a_source_of_which_filters_leave_nothing_is_empty_too(lake: Lake, folder: Path) -> None:
    lake.put("a.csv", b"1")
    write(folder / "b.txt", b"1")
    result = lake.sync(folder, lake.uri, "--delete", "--exclude", "*.txt")
    assert (result.exit_code, lake.keys()) == (1, ["a.csv"])


@pytest.mark.parametrize(("answer", "left", "code"), [("y", [], 0), ("n", ["a"], 1)])
@pytest.mark.long
def test_on_a_terminal_an_empty_source_needs_a_confirmation(
    lake: Lake, folder: Path, answer: str, left: list[str], code: int
) -> None:
    lake.put("a", b"1")
    command = [str(Path(sys.executable).parent / "penstock"), "sync", str(folder), lake.uri, "--delete"]
    with terminal([*command, "--endpoint-url", lake.proxy.url], os.environ, columns=200) as screen:
        screen.wait_for("Delete them")
        screen.press(f"{answer}\n".encode())
        assert screen.wait() == code
    assert lake.keys() == left


def test_a_file_keeps_its_mode_when_its_content_is_replaced(lake: Lake, folder: Path) -> None:
    write(folder / "a", b"before").chmod(0o600)
    lake.put("a", b"after!")
    lake.sync(lake.uri, folder)
    assert ((folder / "a").read_bytes(), (folder / "a").stat().st_mode & 0o777) == (b"after!", 0o600)
