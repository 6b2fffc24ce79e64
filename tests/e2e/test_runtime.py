"""The runtime harness: a small handler in the real runtime client, under real caps."""

from __future__ import annotations

import math
import os
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock_local.runtime import CapsUnavailableError, Function
from penstock_local.runtime.caps import PREFIX, CapMode, ControlGroups, Size, cap
from penstock_local.runtime.sandbox import can_unshare

HANDLER = """
import os, pathlib, subprocess, sys, tempfile, time

calls = 0

class TruncatedSourceError(Exception):
    pass

def handler(event, context):
    global calls
    calls += 1
    print("call", calls)
    return globals()[event.get("do", "report")](event, context)

def report(event, context):
    return {"pid": os.getpid(), "calls": calls, "echo": event, "memory": context.memory_limit_in_mb,
            "remaining": context.get_remaining_time_in_millis(), "request": context.aws_request_id,
            "arn": context.invoked_function_arn, "trace": os.environ["_X_AMZN_TRACE_ID"],
            "root": os.environ["LAMBDA_TASK_ROOT"], "groups": pathlib.Path("/proc/self/cgroup").read_text()}

def fail(event, context):
    raise TruncatedSourceError("cut short")

def allocate(event, context):
    return len(bytes(range(256)) * (4096 * event["mb"]))

def sleep(event, context):
    pathlib.Path(event["started"]).write_text("") if "started" in event else None
    time.sleep(60)

def leave(event, context):
    sys.exit(3)

def fork(event, context):
    return subprocess.Popen(["sleep", "60"], start_new_session=True).pid

def write(event, context):
    path = pathlib.Path(event["folder"] or tempfile.gettempdir(), "penstock-was-here")
    path.write_text("")
    return str(path)
"""


@pytest.fixture
def task_root(tmp_path: Path) -> Path:
    root = tmp_path / "toy"
    root.mkdir()
    (root / "app.py").write_text(textwrap.dedent(HANDLER))
    return root


@pytest.fixture
def function(task_root: Path) -> Iterator[Function]:
    with Function("app.handler", task_root, vcpus=math.inf) as function:
        yield function


def groups_left() -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").rglob(f"{PREFIX}{os.getpid()}-*") if path.is_dir()]


def runs(pid: int) -> bool:
    """Whether a process that is not a child is alive. An ended process stays in /proc until its parent waits for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def make_groups(size: Size) -> ControlGroups:
    groups = cap(size, "cgroup")
    assert isinstance(groups, ControlGroups)
    return groups


def has_groups() -> bool:
    try:
        make_groups(Size(128, 1.0)).close()
    except CapsUnavailableError:
        return False
    return True


needs_groups = pytest.mark.skipif(not has_groups(), reason="needs control groups")
needs_namespace = pytest.mark.skipif(not can_unshare(), reason="needs a mount namespace")


def test_the_return_value_of_the_handler_is_the_payload(function: Function) -> None:
    invocation = function.invoke({"do": "report", "key": "ü"})
    assert invocation.ok
    assert invocation.payload["echo"] == {"do": "report", "key": "ü"}
    assert invocation.log == "call 1\n"


def test_the_handler_sees_lambda_s_context_and_environment(function: Function, task_root: Path) -> None:
    invocation = function.invoke({})
    seen = invocation.payload
    assert seen["memory"] == "128"
    assert 0 < seen["remaining"] <= 900_000
    assert seen["request"] == invocation.request_id
    assert seen["arn"].endswith(":function:toy")
    assert seen["trace"].startswith("Root=1-")
    assert seen["root"] == str(task_root)


def test_the_process_is_warm_for_the_second_event(function: Function) -> None:
    cold, warm = function.invoke({}), function.invoke({})
    assert warm.payload["pid"] == cold.payload["pid"]
    assert warm.payload["calls"] == 2
    assert cold.init_seconds > 0 == warm.init_seconds
    assert warm.log == "call 2\n"


def test_an_error_is_reported_by_its_class(function: Function) -> None:
    invocation = function.invoke({"do": "fail"})
    assert (invocation.error_type, invocation.error_message) == ("TruncatedSourceError", "cut short")
    assert "in fail" in "".join(invocation.stack)
    assert function.invoke({}).payload["calls"] == 2


def test_a_module_that_cannot_be_imported_fails_each_event(task_root: Path) -> None:
    (task_root / "app.py").write_text("import absent_module")
    with Function("app.handler", task_root) as function:
        for _ in range(2):
            invocation = function.invoke({})
            assert invocation.error_type == "Runtime.ImportModuleError"
            assert "absent_module" in invocation.error_message


def test_at_the_timeout_the_process_is_killed_and_the_next_event_starts_another(task_root: Path) -> None:
    # The timeout allows for a cold start on a busy machine.
    with Function("app.handler", task_root, timeout=5.0, vcpus=math.inf) as function:
        pid = function.invoke({}).payload["pid"]
        invocation = function.invoke({"do": "sleep"})
        assert invocation.timed_out
        assert invocation.error_type == "Sandbox.Timedout"
        assert not Path(f"/proc/{pid}").exists()
        assert function.invoke({}).payload["calls"] == 1


def test_kill_9_in_mid_invocation_is_reported_and_the_next_event_starts_another(function: Function) -> None:
    started = Path(function.invoke({"do": "write", "folder": ""}).payload).with_name("started")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(function.invoke, {"do": "sleep", "started": str(started)})
        while not started.exists():
            time.sleep(0.01)
        function.kill()
        invocation = running.result()
    assert invocation.killed
    assert not invocation.out_of_memory
    assert invocation.error_type == "Runtime.ExitError"
    assert function.invoke({}).payload["calls"] == 1


def test_a_handler_that_exits_is_reported(function: Function) -> None:
    invocation = function.invoke({"do": "leave"})
    assert invocation.error_type == "Runtime.ExitError"
    assert invocation.error_message.endswith("exit status 3")
    assert not invocation.killed


@needs_groups
def test_200_mb_in_a_128_mb_function_are_reported_as_out_of_memory(function: Function) -> None:
    invocation = function.invoke({"do": "allocate", "mb": 200})
    assert invocation.out_of_memory
    assert invocation.error_type == "Runtime.OutOfMemory"
    assert invocation.peak_bytes <= 128 * 1024 * 1024
    assert function.invoke({}).ok


@needs_groups
def test_memory_in_use_is_measured_by_the_group_and_by_the_process(function: Function) -> None:
    invocation = function.invoke({"do": "allocate", "mb": 50})
    assert invocation.payload == 50 * 1024 * 1024
    assert invocation.enforced_by.startswith("cgroup v")
    assert min(invocation.peak_bytes, invocation.rss_peak_bytes) > 50 * 1024 * 1024


def test_resource_limits_turn_200_mb_into_a_memory_error(task_root: Path) -> None:
    with Function("app.handler", task_root, caps="rlimit") as function:
        invocation = function.invoke({"do": "allocate", "mb": 200})
        assert invocation.error_type == "MemoryError"
        assert invocation.enforced_by == "rlimit"
        assert function.invoke({"do": "allocate", "mb": 50}).ok


def test_without_caps_nothing_is_enforced(task_root: Path) -> None:
    with Function("app.handler", task_root, caps="none") as function:
        invocation = function.invoke({"do": "allocate", "mb": 200})
        assert (invocation.ok, invocation.enforced_by) == (True, "none")


@needs_groups
def test_the_process_is_in_a_group_with_lambda_s_share_of_cpu(task_root: Path) -> None:
    groups = make_groups(Size.like_lambda(128))
    try:
        quota = groups.cpu / ("cpu.cfs_quota_us" if groups.version == 1 else "cpu.max")
        assert quota.read_text().split()[0] == "7236"
    finally:
        groups.close()
    with Function("app.handler", task_root, memory=1769, caps="cgroup") as function:
        assert f"/{PREFIX}{os.getpid()}-" in function.invoke({}).payload["groups"]


@needs_namespace
@pytest.mark.parametrize("folder", ["/tmp", "/var/tmp", "/"])
def test_nothing_can_be_written_outside_the_function_s_own_directory(folder: str, function: Function) -> None:
    invocation = function.invoke({"do": "write", "folder": folder})
    assert invocation.error_type == "OSError"
    assert "Read-only file system" in invocation.error_message
    assert not Path(folder, "penstock-was-here").exists()


def test_files_left_in_the_function_s_own_directory_are_listed(function: Function) -> None:
    assert function.invoke({}).left_in_tmp == ()
    invocation = function.invoke({"do": "write", "folder": ""})
    assert invocation.left_in_tmp == ("penstock-was-here",)


def test_nothing_is_left_behind(task_root: Path) -> None:
    with Function("app.handler", task_root, vcpus=math.inf) as function:
        pid = function.invoke({}).payload["pid"]
        own = Path(function.invoke({"do": "write", "folder": ""}).payload).parent
    assert not Path(f"/proc/{pid}").exists()
    assert not own.exists()
    assert groups_left() == []


@needs_groups
def test_processes_of_the_handler_end_with_the_function(task_root: Path) -> None:
    with Function("app.handler", task_root, vcpus=math.inf) as function:
        pid = function.invoke({"do": "fork"}).payload
        assert runs(pid)
    assert groups_left() == []
    assert not runs(pid)


def test_a_function_that_cannot_be_started_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Function("app.handler", tmp_path / "absent"):
        pass
    assert groups_left() == []


@needs_groups
def test_the_next_run_removes_the_groups_of_a_killed_run() -> None:
    groups = make_groups(Size(128, 1.0))
    groups.close()
    stale = groups.memory.with_name(f"{PREFIX}4194305-1")  # beyond the highest process id
    stale.mkdir()
    make_groups(Size(128, 1.0)).close()
    assert not stale.exists()


def test_a_requested_cap_that_is_unavailable_is_an_error(task_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_local.runtime.caps.find_parents", lambda mounts, own: None)
    with pytest.raises(CapsUnavailableError), Function("app.handler", task_root, caps="cgroup"):
        pass


@pytest.mark.parametrize("mode", ["auto", "rlimit", "none"])
def test_every_cap_runs_the_handler(mode: CapMode, task_root: Path) -> None:
    with Function("app.handler", task_root, caps=mode) as function:
        assert function.invoke({}).ok
