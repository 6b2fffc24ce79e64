"""A state file is whole after any crash, and in one process's hands at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.errors import FileError, StateFileError, UploadInProgressError
from penstock.files.state_file import DiskStateFile, hold_state, is_held, read_state, states_in

HOLD = """
import sys
from pathlib import Path
from penstock.files.state_file import hold_state
with hold_state(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_was_saved_is_loaded_and_what_was_removed_is_not(tmp_path: Path) -> None:
    state = DiskStateFile(tmp_path / "state.json")
    assert state.load() is None
    state.save("first")
    state.save("second")
    assert state.load() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    state.remove()
    state.remove()
    assert state.load() is None


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_crash_while_saving_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    state = DiskStateFile(tmp_path / "state.json")
    state.save("first")

    def crash(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, crash)
    with pytest.raises(FileError, match="No space left on device"):
        state.save("second")
    assert state.load() == "first"


def test_a_state_reaches_the_disk_before_it_takes_its_name_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noting_fsync(descriptor: int) -> None:
        steps.append("folder" if Path(f"/proc/self/fd/{descriptor}").resolve() == tmp_path.resolve() else "file")
        fsync(descriptor)

    def noting_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    DiskStateFile(tmp_path / "state.json").save("text")
    assert steps == ["file", "rename", "folder"]


def test_a_state_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "not/there/yet/state.json"
    with hold_state(path, "a to b"):
        assert is_held(path)
        with pytest.raises(UploadInProgressError, match="a to b is already"), hold_state(path, "a to b"):
            pass
    assert not is_held(path)
    assert list(path.parent.iterdir()) == []
    with hold_state(path, "a to b") as state:
        assert state.load() is None


def test_a_process_that_is_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        assert is_held(path)
        process.kill()
        process.wait()
    with hold_state(path, "it"):
        pass


def test_a_lock_that_was_removed_while_it_was_awaited_guards_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    path = tmp_path / "state.json"
    flock, removed = fcntl.flock, iter([True])

    def remove_first(descriptor: int, operation: int) -> None:
        if next(removed, False):
            (tmp_path / "state.json.lock").unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with hold_state(path, "it"):
        assert (tmp_path / "state.json.lock").exists()


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_bytes(b"\xff\xfe")
    with pytest.raises(StateFileError, match="cannot be read"):
        read_state(tmp_path / "state.json")


def test_a_folder_that_is_not_there_holds_no_states(tmp_path: Path) -> None:
    assert states_in(tmp_path / "nowhere") == []
    (tmp_path / "b.json").touch()
    (tmp_path / "a.json").touch()
    (tmp_path / "a.json.lock").touch()
    assert [path.name for path in states_in(tmp_path)] == ["a.json", "b.json"]


def test_a_state_is_for_its_owners_eyes_whoever_made_the_file_before(tmp_path: Path) -> None:
    before = tmp_path / "state.json.new"
    before.touch()
    before.chmod(0o644)
    DiskStateFile(tmp_path / "state.json").save("text")
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
