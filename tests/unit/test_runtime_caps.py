"""Where control groups are found, and what is written to them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from penstock_local.runtime.caps import ControlGroups, ResourceLimits, Size, find_parents

MIB = 1024 * 1024


def test_cpu_follows_memory_as_on_lambda() -> None:
    assert Size.like_lambda(1769).quota_us == 100_000
    assert Size.like_lambda(128).quota_us == round(100_000 * 128 / 1769)
    assert Size.like_lambda(3538).quota_us == 200_000


def test_infinite_cpus_are_no_limit() -> None:
    assert Size(128, math.inf).quota_us is None


def version_1(root: Path) -> tuple[str, str]:
    (root / "memory/own").mkdir(parents=True)
    (root / "cpu,cpuacct").mkdir()
    mounts = (
        f"tmpfs {root} tmpfs rw 0 0\n"
        f"cgroup {root}/memory cgroup rw,relatime,memory 0 0\n"
        f"cgroup {root}/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
        f"cgroup2 {root}/unified cgroup2 rw 0 0\n"
    )
    return mounts, "4:memory:/own\n1:cpu,cpuacct:/not/mounted/here\n0::/\n"


def test_version_1_groups_go_below_our_own_where_that_is_visible(tmp_path: Path) -> None:
    parents = find_parents(*version_1(tmp_path))
    assert parents is not None
    assert parents.version == 1
    assert parents.memory == tmp_path / "memory/own"
    assert parents.cpu == tmp_path / "cpu,cpuacct"


def version_2(root: Path, delegated: str) -> tuple[str, str]:
    own = root / "user.slice/session.scope"
    own.mkdir(parents=True)
    (root / "cgroup.subtree_control").write_text("cpuset cpu io memory pids")
    (root / "user.slice/cgroup.subtree_control").write_text(delegated)
    (own / "cgroup.subtree_control").write_text("")
    return f"cgroup2 {root} cgroup2 rw,nosuid 0 0\n", "0::/user.slice/session.scope\n"


def test_version_2_groups_go_below_the_nearest_that_hands_out_memory_and_cpu(tmp_path: Path) -> None:
    parents = find_parents(*version_2(tmp_path, "cpu memory pids"))
    assert parents is not None
    assert (parents.version, parents.memory, parents.cpu) == (2, tmp_path / "user.slice", tmp_path / "user.slice")


def test_version_2_groups_climb_past_one_that_lacks_cpu(tmp_path: Path) -> None:
    parents = find_parents(*version_2(tmp_path, "memory pids"))
    assert parents is not None
    assert parents.memory == tmp_path


def test_version_2_without_delegation_has_no_place_for_groups(tmp_path: Path) -> None:
    mounts, own = version_2(tmp_path, "")
    (tmp_path / "cgroup.subtree_control").write_text("")
    assert find_parents(mounts, own) is None


def test_no_control_groups_are_no_place_for_groups() -> None:
    assert find_parents("proc /proc proc rw 0 0\n", "") is None


def test_version_1_is_given_bytes_and_a_quota(tmp_path: Path) -> None:
    groups = ControlGroups(1, tmp_path / "memory", tmp_path / "cpu")
    assert groups.settings(Size.like_lambda(1769)) == {
        tmp_path / "memory/memory.limit_in_bytes": str(1769 * MIB),
        tmp_path / "cpu/cpu.cfs_period_us": "100000",
        tmp_path / "cpu/cpu.cfs_quota_us": "100000",
    }


def test_version_1_swap_is_off_where_the_kernel_counts_it(tmp_path: Path) -> None:
    (tmp_path / "memory.memsw.limit_in_bytes").touch()
    settings = ControlGroups(1, tmp_path, tmp_path).settings(Size(128, math.inf))
    assert settings[tmp_path / "memory.memsw.limit_in_bytes"] == str(128 * MIB)


def test_version_2_is_given_bytes_and_a_quota(tmp_path: Path) -> None:
    (tmp_path / "memory.swap.max").touch()
    groups = ControlGroups(2, tmp_path, tmp_path)
    assert groups.settings(Size(128, 1.0)) == {
        tmp_path / "memory.max": str(128 * MIB),
        tmp_path / "memory.swap.max": "0",
        tmp_path / "cpu.max": "100000 100000",
    }


@pytest.mark.parametrize("version", [1, 2])
def test_without_a_cpu_limit_nothing_is_written_about_cpu(version: int, tmp_path: Path) -> None:
    groups = ControlGroups(1 if version == 1 else 2, tmp_path / "memory", tmp_path / "cpu")
    assert not [file for file in groups.settings(Size(128, math.inf)) if "cpu." in file.name]


def test_a_shell_enters_version_2_once_and_version_1_twice(tmp_path: Path) -> None:
    one = ControlGroups(2, tmp_path / "a b", tmp_path / "a b").enter
    assert one == (f"echo $$ > '{tmp_path}/a b/cgroup.procs'",)
    assert len(ControlGroups(1, tmp_path / "m", tmp_path / "c").enter) == 2


def test_resource_limits_are_in_kib() -> None:
    assert "ulimit -d 131072" in ResourceLimits(Size.like_lambda(128)).enter
