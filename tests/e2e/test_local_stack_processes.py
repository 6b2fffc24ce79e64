"""Processes of the local stack: where they listen, how they end, and that none remains."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from penstock_local import process
from penstock_local.account import Account, emulator_only
from penstock_local.emulator import launch
from penstock_local.errors import LocalStackError

WAIT_SECONDS = 60.0
PENSTOCK = Path(sys.executable).with_name("penstock")


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def group_has_ended(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    process.stop(tmp_path)


def test_emulators_at_the_same_time_are_independent() -> None:
    with emulator_only() as one, emulator_only() as other:
        one.client("s3").create_bucket(Bucket="only-here")
        assert [bucket["Name"] for bucket in one.client("s3").list_buckets()["Buckets"]] == ["only-here"]
        assert other.client("s3").list_buckets()["Buckets"] == []


def test_the_emulator_listens_on_loopback_only(state_dir: Path) -> None:
    port = process.start(state_dir)
    with pytest.raises(OSError, match=r"refused|unreachable|assign"), socket.create_connection(("127.0.0.2", port), 2):
        pass


def test_a_port_in_use_is_refused_and_nothing_starts(state_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind((process.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalStackError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            process.start(state_dir, port=port)
    assert process.pid(state_dir) is None


def test_a_directory_has_at_most_one_emulator(state_dir: Path) -> None:
    process.start(state_dir)
    with pytest.raises(LocalStackError, match="already runs"):
        process.start(state_dir)


def test_the_error_of_an_emulator_that_does_not_start_has_the_cause(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = state_dir / "broken.py"
    broken.write_text("raise SystemExit('there is something wrong with it')")
    monkeypatch.setattr(process, "LAUNCHER", broken)
    with pytest.raises(LocalStackError, match="something wrong with it"):
        process.start(state_dir)
    assert process.pid(state_dir) is None


def test_an_unknown_version_of_the_emulator_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"MiniStack 1\.6\.0 is installed, .* for 1\.5\.33"):
        launch.refuse_unknown_version("1.6.0")


def test_stopping_ends_the_emulator_and_its_children(state_dir: Path) -> None:
    process.start(state_dir)
    leader = process.pid(state_dir)
    assert leader
    assert process.stop(state_dir)
    assert group_has_ended(leader)
    assert [path.name for path in state_dir.iterdir() if path.is_dir()] == []
    assert not process.stop(state_dir)


def test_the_emulator_ends_if_its_parent_is_killed(tmp_path: Path) -> None:
    script = """
import time
from penstock_local.account import emulator_only
with emulator_only() as account:
    print(account.port, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        port = int(parent.stdout.readline())
        parent.kill()

    def refused() -> bool:
        with suppress(ConnectionRefusedError), socket.create_connection((process.HOST, port), 2):
            return False
        return True

    assert eventually(refused)


def test_the_emulator_does_not_see_the_aws_configuration_of_the_machine(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    account = Account(endpoint="http://127.0.0.1:1")
    assert "AWS_PROFILE" not in account.isolated(os.environ)
    process.start(state_dir)
    environment = Path(f"/proc/{process.pid(state_dir)}/environ")
    if not environment.exists():
        pytest.skip("only /proc tells the environment of a process")
    names = {entry.partition(b"=")[0].decode() for entry in environment.read_bytes().split(b"\0")}
    assert not {name for name in names if name.startswith("AWS_")}


def penstock(state_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PENSTOCK), "local", "--state-dir", str(state_dir), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.long
@pytest.mark.stack
@pytest.mark.xdist_group("stack")
def test_a_detached_stack_runs_until_it_is_stopped(state_dir: Path) -> None:
    up = penstock(state_dir, "up", "--detach", "--json")
    assert up.returncode == 0, up.stderr
    stack = json.loads(up.stdout)
    account = Account(endpoint=stack["endpoint"])
    assert account.client("s3").list_objects_v2(Bucket=stack["source_bucket"])["KeyCount"] == 0
    assert penstock(state_dir, "status").returncode == 0
    assert json.loads(penstock(state_dir, "up", "--json").stdout) == stack
    assert penstock(state_dir, "down").returncode == 0
    assert eventually(lambda: group_has_ended(stack["pid"]))
    assert penstock(state_dir, "status").returncode == 3


@pytest.mark.long
@pytest.mark.stack
@pytest.mark.xdist_group("stack")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stack_in_the_foreground_ends_with_its_command(state_dir: Path, number: signal.Signals, code: int) -> None:
    command = [str(PENSTOCK), "local", "--state-dir", str(state_dir), "up", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stdout
        stack = json.loads(up.stdout.readline())
        up.send_signal(number)
        assert up.wait(WAIT_SECONDS) == code
    assert eventually(lambda: group_has_ended(stack["pid"]))
    assert process.pid(state_dir) is None
