"""What control groups leave to a process, by the kernel's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.upload.memory_limit import memory_limit


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def allow(folder: Path, file: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(f"{text}\n")


@pytest.mark.parametrize(("inner", "outer", "limit"), [("100", "max", 100), ("200", "150", 150), ("max", "max", None)])
def test_the_tightest_of_nested_groups_counts(
    own: Path, tmp_path: Path, inner: str, outer: str, limit: int | None
) -> None:
    own.write_text("0::/outer/inner\n")
    allow(tmp_path / "fs/outer/inner", "memory.max", inner)
    allow(tmp_path / "fs/outer", "memory.max", outer)
    assert memory_limit(own, tmp_path / "fs") == limit


def test_version_1_has_a_tree_for_memory_alone(own: Path, tmp_path: Path) -> None:
    own.write_text("3:cpu,cpuacct:/box\n2:memory:/box\n")
    allow(tmp_path / "fs/memory/box", "memory.limit_in_bytes", "134217728")
    allow(tmp_path / "fs/memory", "memory.limit_in_bytes", "9223372036854771712")
    assert memory_limit(own, tmp_path / "fs") == 134217728


def test_within_a_container_its_own_group_is_the_root(own: Path, tmp_path: Path) -> None:
    own.write_text("0::/docker/0123\n")
    allow(tmp_path / "fs", "memory.max", "1000")
    assert memory_limit(own, tmp_path / "fs") == 1000


def test_without_control_groups_nothing_limits(own: Path, tmp_path: Path) -> None:
    assert memory_limit(own, tmp_path / "fs") is None
    own.write_text("0::/\n")
    assert memory_limit(own, tmp_path / "fs") is None
