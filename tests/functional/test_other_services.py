"""S3-compatible services without the newer headers: what works without them, and the errors otherwise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from functional.faulty_s3 import Exchange, Fault, Refusal, Request, always, first
from functional.s3_lake import Lake, tree, write
from functional.swift_s3 import Swift
from lengths import long
from penstock.limits import MIB
from penstock_cli.main import main

pytest_plugins = ["functional.lake_fixtures"]

LARGE = os.urandom(21 * MIB)
REFUSALS = pytest.mark.parametrize(
    "refusal",
    [
        Refusal(501, "NotImplemented"),
        long(Refusal(400, "InvalidArgument")),
        long(Refusal(400, "InvalidRequest")),
    ],
)
WAYS = pytest.mark.parametrize("command", ["run", "sync", "upload"])


def send(lake: Lake, command: str, folder: Path) -> Result:
    where = {
        "run": ["run", str(folder / "a"), "--to", f"{lake.uri}/a"],
        "sync": ["sync", str(folder), lake.uri],
        "upload": ["upload", str(folder / "a"), f"{lake.uri}/a"],
    }[command]
    return CliRunner(mix_stderr=False).invoke(main, [*where, "--endpoint-url", lake.proxy.url])


@WAYS
@REFUSALS
@pytest.mark.long
def test_without_full_object_checksums_parts_carry_an_md5(
    lake: Lake, tmp_path: Path, command: str, refusal: Refusal
) -> None:
    write(tmp_path / "folder" / "a", LARGE)
    lake.proxy.schedule = first(1, "CreateUpload", refusal)
    result = send(lake, command, tmp_path / "folder")
    assert result.exit_code == 0, result.stderr
    assert lake.read("a") == LARGE


@WAYS
@pytest.mark.parametrize("size", [10, 1 * MIB])
def test_without_checksums_a_small_file_carries_an_md5(lake: Lake, tmp_path: Path, command: str, size: int) -> None:
    write(tmp_path / "folder" / "a", LARGE[:size])
    lake.proxy.schedule = first(1, "PutObject", Refusal(501, "NotImplemented"))
    result = send(lake, command, tmp_path / "folder")
    assert result.exit_code == 0, result.stderr
    assert lake.read("a") == LARGE[:size]
    assert len(lake.proxy.requests("PutObject")) == 2  # no job that was killed and retried


@WAYS
def test_what_a_service_cannot_do_at_all_is_said_once_and_not_tried_again(
    lake: Lake, tmp_path: Path, command: str
) -> None:
    write(tmp_path / "folder" / "a", b"1")
    lake.proxy.schedule = always("PutObject", Refusal(501, "NotImplemented"))
    result = send(lake, command, tmp_path / "folder")
    assert (result.exit_code, lake.keys()) == (1, [])
    assert "not supported" in result.stderr
    assert "busy" not in result.stderr
    # With a CRC32, with an MD5; `run` then also writes without its condition.
    assert len(lake.proxy.requests("PutObject")) == (4 if command == "run" else 2)


@pytest.mark.parametrize(("status", "code"), [(405, "MethodNotAllowed"), long(501, "NotImplemented")])
@pytest.mark.long
def test_where_no_part_has_a_head_the_usual_part_sizes_are_tried(
    lake: Lake, tmp_path: Path, status: int, code: str
) -> None:
    parts = [LARGE[:8_388_608], LARGE[8_388_608:16_777_216], LARGE[16_777_216:]]
    lake.put_parts("in/a", parts)
    write(tmp_path / "folder" / "a", LARGE)

    def no_parts(request: Request) -> Fault | None:
        return Refusal(status, code) if request.operation == "HeadObject" and request.part else None

    lake.proxy.schedule = no_parts
    result = lake.sync(tmp_path / "folder", f"{lake.uri}/in")
    assert (result.exit_code, result.stderr) == (0, "1 unchanged\n")
    result = lake.sync(f"{lake.uri}/in", f"{lake.uri}/out")
    assert (result.exit_code, lake.read("out/a")) == (0, LARGE)
    result = lake.sync(f"{lake.uri}/in", tmp_path / "back")
    assert (result.exit_code, tree(tmp_path / "back")) == (0, {"a": LARGE})


@pytest.mark.parametrize(
    ("swift", "size"),
    [
        long(Swift(old=True), 10, id="2.30-small"),
        pytest.param(Swift(old=True), 21 * MIB, id="2.30-large"),
        pytest.param(Swift(old=False), 10, id="2.38-small"),
        long(Swift(old=False), 21 * MIB, id="2.38-large"),
    ],
)
@pytest.mark.long
def test_run_replaces_an_object_where_conditions_are_unknown(
    lake: Lake, tmp_path: Path, swift: Swift, size: int
) -> None:
    lake.proxy.schedule = swift
    for content in (LARGE[:size], LARGE[:size][::-1], b"short", LARGE[:size]):
        write(tmp_path / "folder" / "a", content)
        result = send(lake, "run", tmp_path / "folder")
        assert (result.exit_code, lake.read("a")) == (0, content), result.stderr
    assert "Uploads" not in lake.client.list_multipart_uploads(Bucket=lake.bucket)


@pytest.mark.parametrize("swift", [pytest.param(Swift(old=True), id="2.30"), long(Swift(old=False), id="2.38")])
@pytest.mark.long
def test_swift_is_synchronised_in_both_directions_and_within(lake: Lake, tmp_path: Path, swift: Swift) -> None:
    lake.proxy.schedule = swift
    original, back = tmp_path / "original", tmp_path / "back"
    write(original / "large", LARGE)
    write(original / "small", b"1")
    write(original / "odd & more/ä+b", b"2")
    for source, destination in (
        (original, f"{lake.uri}/a"),
        (f"{lake.uri}/a", f"{lake.uri}/b"),
        (f"{lake.uri}/b", back),
    ):
        assert lake.sync(source, destination, "--delete").exit_code == 0
        assert lake.sync(source, destination, "--delete").stderr == "3 unchanged\n"
    assert tree(back) == tree(original)
    (original / "small").unlink()
    result = lake.sync(original, f"{lake.uri}/a", "--delete")
    assert (result.exit_code, result.stderr) == (0, "1 deleted, 2 unchanged\n")
    assert lake.requests.count("DeleteObjects") == 1


@pytest.mark.parametrize(
    ("status", "code"), [(400, "InvalidRequest"), long(405, "MethodNotAllowed"), (501, "NotImplemented")]
)
def test_where_no_lists_are_deleted_objects_are_deleted_one_by_one(
    lake: Lake, tmp_path: Path, status: int, code: str
) -> None:
    for key in ("a", "b", "c"):
        lake.put(key, b"1")
    write(tmp_path / "folder" / "b", b"1")
    lake.proxy.schedule = always("DeleteObjects", Refusal(status, code))
    result = lake.sync(tmp_path / "folder", lake.uri, "--delete")
    assert (result.exit_code, result.stderr, lake.keys()) == (0, "2 deleted, 1 unchanged\n", ["b"])
    assert lake.requests.count("DeleteObjects") == 1


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Another client writes the key ``a`` first: the condition does not hold, and the service says so."""

    lake: Lake

    def apply(self, exchange: Exchange) -> None:
        self.lake.put("a", b"another")
        exchange.refuse(412, "InvalidRequest")


@pytest.mark.parametrize("existing", [None, b"before"])
@pytest.mark.long
def test_a_true_refusal_is_respected_on_other_services(lake: Lake, tmp_path: Path, existing: bytes | None) -> None:
    if existing:
        lake.put("a", existing)
    write(tmp_path / "folder" / "a", LARGE)
    lake.proxy.schedule = first(1, "CompleteUpload", Overtaken(lake))
    result = send(lake, "run", tmp_path / "folder")
    assert (result.exit_code, lake.read("a")) == (0, LARGE), result.stderr
    # The upload was not completed: the existing object was read again, and the object was uploaded again.
    assert len(lake.proxy.requests("CreateUpload")) == 2


@pytest.mark.long
def test_a_source_that_changes_while_it_is_copied_is_not_copied(lake: Lake) -> None:
    lake.put_parts("in/a", [LARGE[: 8 * MIB], LARGE[8 * MIB :]])

    @dataclass(frozen=True, slots=True)
    class Changed:
        def apply(self, exchange: Exchange) -> None:
            lake.put("in/a", b"another")
            exchange.refuse(412, "PreconditionFailed")

    lake.proxy.schedule = first(1, "UploadPart", Changed())
    result = lake.sync(f"{lake.uri}/in", f"{lake.uri}/out")
    assert result.exit_code == 1
    assert "failed: " in result.stderr
    assert lake.keys() == ["in/a"]
