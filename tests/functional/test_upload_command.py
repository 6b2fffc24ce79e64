"""`penstock upload`, `uploads` and `abort`: what they accept, do, print and refuse. The server counts requests."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.upload_kills import counted
from benchmarks.upload_server import upload_server
from click.testing import CliRunner, Result

from functional.faulty_s3 import Fault, FaultyS3, Refusal, Request, Reset, Schedule, always, faulty_s3
from penstock.files.state_file import hold_state
from penstock.limits import MIB
from penstock_cli.main import main

BIG = os.urandom(22 * MIB)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with upload_server() as url:
        yield url


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyS3]:
    """The proxy in which a test injects faults, configured for the command, with a separate data directory."""
    with faulty_s3(server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        # No delay between retries: botocore's own tests cover it.
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        yield proxy


@pytest.fixture
def arrived(server: str, proxy: FaultyS3) -> Arrivals:
    return Arrivals(server)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.bin"
    path.write_bytes(BIG)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    path.write_bytes(b"a,b\n")
    return path


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, [str(one) for one in arguments], input=stdin)


def upload(*arguments: object) -> Result:
    return run("upload", *arguments, "--part-size", "5MiB", "--threads", "1")


def stored(server: str, key: str) -> bytes:
    with urllib.request.urlopen(f"{server}/lake/{key}") as answer:
        data: bytes = answer.read()
    return data


def states(tmp_path: Path) -> list[str]:
    folder = tmp_path / "data/penstock/uploads"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class Arrivals:
    """The requests that reached the server since the last call."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._known = counted(server)

    def __call__(self, operation: str) -> int:
        now = counted(self._server)
        new = now.get(operation, 0) - self._known.get(operation, 0)
        self._known = now
        return new


def refused(result: Result, message: str, way_out: str) -> None:
    """The command failed with one line on what happened and one on what to do."""
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    happened, _, to_do = result.stderr.removeprefix("Error: ").partition("\n")
    assert message in happened
    assert way_out in to_do
    assert "Traceback" not in result.stderr


def third_part_on(fault: Fault) -> Schedule:
    def schedule(request: Request) -> Fault | None:
        return fault if request.operation == "UploadPart" and request.part >= 3 else None

    return schedule


# What it does.


@pytest.mark.parametrize(("destination", "key"), [("in/", "in/big.bin"), ("", "big.bin"), ("other", "other")])
def test_a_destination_that_is_a_folder_takes_the_files_name(
    *, proxy: FaultyS3, server: str, big: Path, tmp_path: Path, destination: str, key: str
) -> None:
    result = upload(big, f"s3://lake/{destination}")
    assert result.exit_code == 0
    assert result.stdout == f"upload: {big} to s3://lake/{key} (23.1 MB, 5 parts)\n"
    assert stored(server, key) == BIG
    assert states(tmp_path) == []


def test_a_bucket_alone_takes_the_files_name(proxy: FaultyS3, server: str, small: Path) -> None:
    assert upload(small, "s3://lake").exit_code == 0
    assert stored(server, "small.csv") == b"a,b\n"


def test_several_files_go_into_one_folder(proxy: FaultyS3, server: str, big: Path, small: Path, tmp_path: Path) -> None:
    assert upload(big, small, "s3://lake/several/").exit_code == 0
    assert (stored(server, "several/big.bin"), stored(server, "several/small.csv")) == (BIG, b"a,b\n")
    assert states(tmp_path) == []


def test_an_interrupted_upload_of_several_files_resumes_with_the_rest(
    proxy: FaultyS3, arrived: Arrivals, big: Path, small: Path, tmp_path: Path
) -> None:
    third = tmp_path / "third"
    third.write_bytes(b"third")
    command = (small, big, third, "s3://lake/rest/")
    proxy.schedule = third_part_on(Refusal(403, "AccessDenied"))
    assert upload(*command).exit_code == 1
    proxy.schedule = lambda request: None
    assert arrived("upload_part") == 2
    result = upload(*command)
    assert result.exit_code == 0
    assert "small.csv (4 B, 4 B already uploaded)" in result.stdout
    assert arrived("upload_part") == 3
    assert states(tmp_path) == []


def test_a_small_file_is_one_request(proxy: FaultyS3, server: str, small: Path) -> None:
    before = counted(server)
    assert upload(small, "s3://lake/one").exit_code == 0
    after = counted(server)
    changed = {name for name, count in after.items() if count != before.get(name, 0)}
    assert changed == {"received", "put_object", "counts"}
    assert after["put_object"] - before.get("put_object", 0) == 1


def test_an_empty_file_is_an_empty_object(proxy: FaultyS3, server: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert upload(tmp_path / "empty", "s3://lake/empty").exit_code == 0
    assert stored(server, "empty") == b""


def test_json_is_one_object_with_everything_a_program_needs(proxy: FaultyS3, big: Path) -> None:
    result = upload(big, "s3://lake/json", "--json")
    (one,) = json.loads(result.stdout)["uploads"]
    assert one["etag"].endswith("-5")
    assert one | {"etag": "", "crc32": ""} == {
        "source": str(big),
        "target": "s3://lake/json",
        "size": len(BIG),
        "sent": len(BIG),
        "parts": 5,
        "kept_parts": 0,
        "etag": "",
        "version_id": "",
        "crc32": "",
    }


def test_quiet_says_nothing(proxy: FaultyS3, big: Path) -> None:
    assert upload(big, "s3://lake/quiet", "--quiet").output == ""


def test_dry_run_says_what_it_would_send_and_sends_nothing(proxy: FaultyS3, big: Path, tmp_path: Path) -> None:
    result = upload(big, "s3://lake/in/", "--dry-run")
    assert result.stdout == f"(dryrun) upload: {big} to s3://lake/in/big.bin\n"
    as_json = json.loads(upload(big, "s3://lake/in/", "--dry-run", "--json").stdout)
    assert as_json == {
        "dry_run": True,
        "uploads": [{"source": str(big), "target": "s3://lake/in/big.bin", "size": len(BIG)}],
    }
    assert (proxy.log, states(tmp_path)) == ([], [])


def test_a_service_without_full_object_checksums_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, big: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    other = tmp_path / "other.bin"
    other.write_bytes(BIG)
    with upload_server("--plain") as plain:
        result = upload(big, other, "s3://lake/plain/", "--endpoint-url", plain)
        assert result.exit_code == 0
        assert stored(plain, "plain/big.bin") == BIG
    assert result.stderr == "this service cannot verify the CRC32 of an object: each part is sent with its MD5\n"


def test_a_service_that_refuses_full_object_checksums_gets_none(proxy: FaultyS3, server: str, big: Path) -> None:
    turns = iter([Refusal(501, "NotImplemented")])
    proxy.schedule = lambda request: next(turns, None) if request.operation == "CreateUpload" else None
    # The proxy forwards the second request, which requests no checksum.
    result = upload(big, "s3://lake/refusing")
    assert result.exit_code == 0
    assert "MD5" in result.stderr
    assert stored(server, "refusing") == BIG


# Resuming.


@pytest.mark.parametrize(
    ("fault", "message", "way_out"),
    [
        (Refusal(400, "ExpiredToken"), "ExpiredToken", "credentials have expired: renew them"),
        (Refusal(403, "AccessDenied"), "access denied: s3:PutObject on s3://lake/on", "--profile"),
        (Refusal(403, "RequestTimeTooSkewed"), "RequestTimeTooSkewed", "clock"),
        (Refusal(403, "InvalidAccessKeyId"), "InvalidAccessKeyId", "not valid here"),
        (Refusal(503, "SlowDown"), "SlowDown", "wait a little"),
        (Reset(), "Connection", "Check the network"),
    ],
    ids=["expired", "denied", "clock", "key", "busy", "network"],
)
def test_what_stops_it_half_way_costs_nothing_that_was_sent(
    *,
    proxy: FaultyS3,
    arrived: Arrivals,
    server: str,
    big: Path,
    tmp_path: Path,
    fault: Fault,
    message: str,
    way_out: str,
) -> None:
    proxy.schedule = third_part_on(fault)
    result = upload(big, "s3://lake/on")
    refused(result, message, way_out)
    assert "run the same command again" in result.stderr
    assert len(states(tmp_path)) == 1
    proxy.schedule = lambda request: None
    assert arrived("upload_part") == 2
    result = upload(big, "s3://lake/on")
    assert result.stdout == f"upload: {big} to s3://lake/on (23.1 MB, 5 parts, 10.5 MB already uploaded)\n"
    assert arrived("upload_part") == 3
    assert stored(server, "on") == BIG


def test_dry_run_says_that_it_would_resume(proxy: FaultyS3, big: Path) -> None:
    proxy.schedule = third_part_on(Refusal(403, "AccessDenied"))
    upload(big, "s3://lake/dry")
    assert upload(big, "s3://lake/dry", "--dry-run").stdout.endswith("to s3://lake/dry, resuming\n")
    assert not upload(big, "s3://lake/dry", "--dry-run", "--restart").stdout.endswith("resuming\n")


def test_a_state_may_be_kept_elsewhere(proxy: FaultyS3, big: Path, tmp_path: Path) -> None:
    proxy.schedule = third_part_on(Refusal(403, "AccessDenied"))
    here = tmp_path / "here.json"
    assert upload(big, "s3://lake/state", "--state", here).exit_code == 1
    assert json.loads(here.read_text())["target"] == {"bucket": "lake", "key": "state"}
    assert states(tmp_path) == []
    proxy.schedule = lambda request: None
    assert "already uploaded" in upload(big, "s3://lake/state", "--state", here).stdout
    assert not here.exists()


def test_a_completion_whose_answer_is_lost_is_not_sent_again(
    proxy: FaultyS3, arrived: Arrivals, server: str, big: Path
) -> None:
    turns = iter([Reset(done=True)])
    proxy.schedule = lambda request: next(turns, None) if request.operation == "CompleteUpload" else None
    assert upload(big, "s3://lake/lost").exit_code == 0
    assert arrived("upload_part") == 5
    assert stored(server, "lost") == BIG


def test_restart_sends_everything_again_and_leaves_nothing_of_the_first_try(
    proxy: FaultyS3, arrived: Arrivals, big: Path
) -> None:
    proxy.schedule = third_part_on(Refusal(403, "AccessDenied"))
    upload(big, "s3://lake/restart")
    proxy.schedule = lambda request: None
    assert arrived("upload_part") == 2
    assert upload(big, "s3://lake/restart", "--restart").exit_code == 0
    assert arrived("upload_part") == 5
    assert run("uploads", "s3://lake/restart").stdout == "No unfinished uploads.\n"


# Bad input.


def test_a_source_that_changed_is_refused(proxy: FaultyS3, server: str, big: Path) -> None:
    proxy.schedule = third_part_on(Refusal(403, "AccessDenied"))
    upload(big, "s3://lake/changed")
    proxy.schedule = lambda request: None
    big.write_bytes(BIG[::-1])
    refused(upload(big, "s3://lake/changed"), "has changed since its upload", "--restart")
    assert upload(big, "s3://lake/changed", "--restart").exit_code == 0
    assert stored(server, "changed") == BIG[::-1]


@pytest.mark.parametrize("change", ["grow", "shrink", "edit", "vanish", "replace"])
def test_a_file_that_changes_while_it_is_read_is_not_published(
    proxy: FaultyS3, server: str, big: Path, tmp_path: Path, change: str
) -> None:
    def disturb(request: Request) -> None:
        if request.operation != "UploadPart" or request.part != 3:
            return
        if change == "grow":
            with big.open("ab") as file:
                file.write(b"more")
        elif change == "shrink":
            os.truncate(big, 16 * MIB)
        elif change == "edit":
            with big.open("r+b") as file:
                file.write(b"edited")
        elif change == "vanish":
            big.unlink()
        else:
            (tmp_path / "new").write_bytes(BIG)
            (tmp_path / "new").replace(big)

    proxy.schedule = disturb
    result = upload(big, f"s3://lake/while-{change}")
    refused(result, "while it was read", "Nothing was published.")
    assert not proxy.requests("CompleteUpload")
    assert len(states(tmp_path)) == 1


@pytest.mark.parametrize(
    ("code", "way_out"),
    [("NoSuchBucket", "create it"), ("AccessDenied", "Ask for s3:PutObject on s3://lake/no")],
)
def test_a_bucket_that_is_not_there_or_not_allowed_is_named(
    proxy: FaultyS3, big: Path, tmp_path: Path, code: str, way_out: str
) -> None:
    proxy.schedule = always("CreateUpload", Refusal(403 if code == "AccessDenied" else 404, code))
    refused(upload(big, "s3://lake/no"), "s3:PutObject on s3://lake/no", way_out)
    assert states(tmp_path) == []


def test_a_bucket_in_another_region_says_which_option_to_give(proxy: FaultyS3, small: Path) -> None:
    proxy.schedule = always("PutObject", Refusal(400, "IllegalLocationConstraintException"))
    refused(upload(small, "s3://lake/region"), "IllegalLocationConstraintException", "--region")


def test_no_credentials_says_how_to_provide_them(proxy: FaultyS3, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    refused(upload(small, "s3://lake/none"), "Unable to locate credentials", "aws configure")


def test_no_such_profile_says_how_to_list_them(proxy: FaultyS3, small: Path) -> None:
    refused(upload(small, "s3://lake/x", "--profile", "nobody"), "nobody", "aws configure list-profiles")


def test_the_error_of_an_invalid_endpoint_names_the_option(proxy: FaultyS3, small: Path) -> None:
    refused(upload(small, "s3://lake/x", "--endpoint-url", "nonsense"), "nonsense", "--endpoint-url")


def test_an_endpoint_without_a_server_is_a_network_error(proxy: FaultyS3, small: Path) -> None:
    refused(upload(small, "s3://lake/x", "--endpoint-url", "http://127.0.0.1:9"), "127.0.0.1:9", "Check the network")


def test_a_key_that_is_too_long_is_refused_before_anything_is_sent(proxy: FaultyS3, small: Path) -> None:
    refused(upload(small, f"s3://lake/{'k' * 1025}"), "has 1,025 bytes; S3 allows 1,024", "shorter")
    assert proxy.log == []


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_a_path_that_is_not_a_file_is_named(proxy: FaultyS3, tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    message, way_out = {
        "missing": ("No such file", "Correct the path"),
        "folder": ("is a folder", "penstock sync"),
        "pipe": ("not a regular file", "penstock upload -"),
    }[kind]
    refused(upload(path, "s3://lake/x"), message, way_out)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "damaged"), ('{"penstock_upload": 9}', "version 9"), ("\udcff", "cannot be read")]
)
@pytest.mark.long
def test_a_state_that_cannot_be_read_is_refused_until_restart(
    *, proxy: FaultyS3, server: str, big: Path, tmp_path: Path, text: str, message: str
) -> None:
    state = tmp_path / "state.json"
    state.write_bytes(text.encode(errors="surrogateescape"))
    refused(upload(big, "s3://lake/damaged", "--state", state), message, "--restart")
    assert upload(big, "s3://lake/damaged", "--state", state, "--restart").exit_code == 0
    assert stored(server, "damaged") == BIG


def test_a_concurrent_upload_of_the_same_file_is_refused(proxy: FaultyS3, big: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with hold_state(state, "it"):
        refused(
            upload(big, "s3://lake/twice", "--state", state),
            "already being uploaded",
            "Wait until the other process ends",
        )
    assert proxy.log == []
    assert upload(big, "s3://lake/twice", "--state", state).exit_code == 0


def test_a_place_that_cannot_be_written_names_the_option(proxy: FaultyS3, big: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    refused(upload(big, "s3://lake/x"), "cannot be written", "--state FILE")


@pytest.mark.parametrize(("size", "message"), [("5MB", ""), ("4MiB", "outside S3's limits"), ("6GiB", "outside")])
def test_a_part_size_that_s3_refuses_is_refused(proxy: FaultyS3, big: Path, size: str, message: str) -> None:
    result = run("upload", big, "s3://lake/size", "--part-size", size)
    if message:
        refused(result, message, "omit --part-size")
    else:
        assert result.exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("a",),
        ("a", "not-a-uri"),
        ("a", "s3://"),
        ("a", "b", "s3://lake/not-a-folder"),
        ("a/x", "b/x", "s3://lake/"),
        ("a", "b", "s3://lake/", "--state", "one"),
        ("-", "s3://lake/"),
        ("-", "a", "s3://lake/in/"),
        ("a", "s3://lake/", "--part-size", "large"),
        ("a", "s3://lake/", "--threads", "0"),
    ],
)
def test_wrong_usage_ends_with_2(proxy: FaultyS3, arguments: tuple[str, ...]) -> None:
    result = run("upload", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")


# Standard input: the command reads the file descriptor, so the test needs a real one.


@pytest.mark.parametrize("data", [b"", b"short", BIG], ids=["empty", "short", "long"])
def test_standard_input_becomes_the_object(
    proxy: FaultyS3, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    (tmp_path / "in").write_bytes(data)
    with (tmp_path / "in").open("rb") as pipe:
        monkeypatch.setattr("penstock_cli.upload.stdin_descriptor", pipe.fileno)
        result = upload("-", "s3://lake/pipe")
    assert result.exit_code == 0
    assert "cannot be resumed if it is interrupted" in result.stderr
    assert stored(server, "pipe") == data


def test_standard_input_that_fails_leaves_nothing_behind(
    proxy: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").write_bytes(BIG)
    proxy.schedule = third_part_on(Refusal(403, "AccessDenied"))
    with (tmp_path / "in").open("rb") as pipe:
        monkeypatch.setattr("penstock_cli.upload.stdin_descriptor", pipe.fileno)
        assert upload("-", "s3://lake/failing-pipe").exit_code == 1
    assert run("uploads", "s3://lake/failing-pipe").stdout == "No unfinished uploads.\n"


# Unfinished uploads.


@pytest.fixture
def unfinished(proxy: FaultyS3, big: Path) -> str:
    """Start an upload that stops half way, and return its key."""
    key = f"unfinished-{time.monotonic_ns()}"
    proxy.schedule = third_part_on(Refusal(403, "AccessDenied"))
    assert upload(big, f"s3://lake/{key}").exit_code == 1
    proxy.schedule = lambda request: None
    return key


def test_uploads_lists_what_this_machine_remembers_without_asking_s3(
    proxy: FaultyS3, unfinished: str, big: Path, arrived: Arrivals
) -> None:
    lines = run("uploads").stdout.splitlines()
    assert lines[0].split() == ["age", "destination", "from", "upload", "id"]
    assert lines[1].split()[1:3] == [f"s3://lake/{unfinished}", str(big)]
    assert arrived("list_uploads") == 0


def test_uploads_with_a_uri_lists_those_of_other_machines_too(
    proxy: FaultyS3, unfinished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = json.loads(run("uploads", f"s3://lake/{unfinished}", "--json").stdout)["uploads"]
    assert one["listed"]
    assert one["source"]
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another machine"))
    (other,) = json.loads(run("uploads", f"s3://lake/{unfinished}", "--json").stdout)["uploads"]
    assert (other["upload_id"], other["source"]) == (one["upload_id"], None)
    assert "(another machine)" in run("uploads", f"s3://lake/{unfinished}").stdout


def test_uploads_warns_of_a_state_that_cannot_be_read(proxy: FaultyS3, tmp_path: Path) -> None:
    folder = tmp_path / "data/penstock/uploads"
    folder.mkdir(parents=True)
    (folder / "bad.json").write_text("{")
    result = run("uploads")
    assert (result.exit_code, result.stdout) == (0, "No unfinished uploads.\n")
    assert "bad.json" in result.stderr
    assert len(json.loads(run("uploads", "--json").stdout)["unreadable"]) == 1


def test_abort_ends_an_upload_and_forgets_it(proxy: FaultyS3, unfinished: str, tmp_path: Path) -> None:
    result = run("abort", f"s3://lake/{unfinished}")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"abort: s3://lake/{unfinished} upload-")
    assert states(tmp_path) == []
    assert run("uploads", f"s3://lake/{unfinished}").stdout == "No unfinished uploads.\n"
    refused(run("abort", f"s3://lake/{unfinished}"), "no unfinished upload", "penstock uploads")


def test_abort_of_a_prefix_does_not_abort_a_key(proxy: FaultyS3, unfinished: str) -> None:
    refused(run("abort", f"s3://lake/{unfinished[:-1]}"), "no unfinished upload", "penstock uploads")
    assert run("abort", "s3://lake").exit_code == 2


def test_abort_asks_which_where_there_are_several(proxy: FaultyS3, unfinished: str, big: Path, tmp_path: Path) -> None:
    proxy.schedule = third_part_on(Refusal(403, "AccessDenied"))
    upload(big, f"s3://lake/{unfinished}", "--state", tmp_path / "second.json")
    proxy.schedule = lambda request: None
    refused(run("abort", f"s3://lake/{unfinished}"), "there are 2 unfinished uploads", "--upload-id")
    second = json.loads((tmp_path / "second.json").read_text())["upload_id"]
    assert run("abort", f"s3://lake/{unfinished}", "--upload-id", second).exit_code == 0
    assert second not in run("uploads", f"s3://lake/{unfinished}").stdout
    # S3 answers NoSuchUpload, and nothing on this machine knows the upload any more.
    refused(run("abort", f"s3://lake/{unfinished}", "--upload-id", second), f"no upload {second}", "penstock uploads")


def test_abort_by_age_ends_all_that_are_older(proxy: FaultyS3, unfinished: str) -> None:
    prefix = f"s3://lake/{unfinished[:-1]}"
    assert run("abort", prefix, "--older-than", "7d").stdout == "No unfinished uploads.\n"
    assert run("abort", prefix, "--older-than", "0s", "--dry-run").stdout.startswith("(dryrun) abort: ")
    answer = json.loads(run("abort", prefix, "--older-than", "0s", "--json").stdout)
    assert [one["target"] for one in answer["aborted"]] == [f"s3://lake/{unfinished}"]
    assert run("uploads", prefix).stdout == "No unfinished uploads.\n"


def test_abort_leaves_an_upload_alone_that_is_under_way(proxy: FaultyS3, unfinished: str, tmp_path: Path) -> None:
    (name,) = states(tmp_path)
    with hold_state(tmp_path / "data/penstock/uploads" / name, "it"):
        refused(run("abort", f"s3://lake/{unfinished}"), "already being uploaded", "Wait until the other process ends")
        result = run("abort", f"s3://lake/{unfinished}", "--older-than", "0s")
        assert (result.exit_code, result.stdout) == (0, "No unfinished uploads.\n")
        assert "skipped" in result.stderr
    assert run("abort", f"s3://lake/{unfinished}").exit_code == 0


def test_an_aborted_upload_starts_from_the_beginning(proxy: FaultyS3, unfinished: str, big: Path, server: str) -> None:
    (one,) = json.loads(run("uploads", f"s3://lake/{unfinished}", "--json").stdout)["uploads"]
    urllib.request.urlopen(
        urllib.request.Request(f"{server}/lake/{unfinished}?uploadId={one['upload_id']}", method="DELETE")
    ).close()
    result = upload(big, f"s3://lake/{unfinished}")
    assert result.exit_code == 0
    assert "starting again" in result.stderr
    assert stored(server, unfinished) == BIG


def test_an_invalid_age_is_a_usage_error(proxy: FaultyS3) -> None:
    assert run("abort", "s3://lake/x", "--older-than", "old").exit_code == 2
    assert run("abort", "s3://lake/x", "--older-than", "7d", "--upload-id", "x").exit_code == 2
