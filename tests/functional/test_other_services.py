"""Services that speak S3 without its newer headers: what is done without them, and what is said otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from functional.faulty_s3 import Fault, Refusal, Request, always, first
from functional.s3_lake import Lake, tree, write
from penstock.limits import MIB
from penstock_cli.main import main

pytest_plugins = ["functional.lake_fixtures"]

LARGE = os.urandom(21 * MIB)
REFUSALS = pytest.mark.parametrize(
    "refusal", [Refusal(501, "NotImplemented"), Refusal(400, "InvalidArgument"), Refusal(400, "InvalidRequest")]
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
    assert len(lake.proxy.requests("PutObject")) == 2  # none that ended in the middle and was tried again


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
    assert len(lake.proxy.requests("PutObject")) == 2


@pytest.mark.parametrize(("status", "code"), [(405, "MethodNotAllowed"), (501, "NotImplemented")])
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
