"""What is written to a folder stays in it, whatever links are swapped in; and keeps the mode that a file had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import FileError, NameTakenError
from penstock.files.atomic_file import AtomicFile, atomic_file
from penstock.files.open_folder import OpenFolder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_bytes(b"kept")
    return tmp_path / "outside"


@pytest.fixture
def folder(root: Path) -> Iterator[OpenFolder]:
    folder = OpenFolder(str(root))
    yield folder
    folder.close()


def put(folder: OpenFolder, name: str, data: bytes = b"new") -> None:
    with AtomicFile(folder, name) as file:
        file.write(0, data)
        file.publish(0)


def held(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_folders_on_the_way_are_made(folder: OpenFolder, root: Path) -> None:
    put(folder, "a/b/c")
    assert held(root) == ["a", "a/b", "a/b/c"]


def test_a_link_swapped_in_for_a_folder_is_not_followed_out(folder: OpenFolder, root: Path, outside: Path) -> None:
    put(folder, "a/b")
    (root / "a").rename(root / "moved")
    (root / "a").symlink_to(outside)
    for name in ("a/evil", "a/deep/er/evil"):
        with pytest.raises(FileError, match="points outside"):
            put(folder, name)
    with pytest.raises(FileError, match="nothing is deleted through a link"):
        folder.remove("a/kept")
    assert held(outside) == ["kept"]


def test_a_link_swapped_in_while_a_file_is_made_changes_nothing(folder: OpenFolder, root: Path, outside: Path) -> None:
    with AtomicFile(folder, "a/b") as file:
        (root / "a").rename(root / "moved")
        (root / "a").symlink_to(outside)
        file.publish(0)
    assert (held(outside), held(root / "moved")) == (["kept"], ["b"])


def test_a_link_swapped_in_for_the_root_is_not_followed(
    folder: OpenFolder, root: Path, outside: Path, tmp_path: Path
) -> None:
    put(folder, "a")
    root.rename(tmp_path / "moved")
    root.symlink_to(outside)
    put(folder, "b")
    folder.remove("kept")
    assert (held(outside), held(tmp_path / "moved")) == (["kept"], ["a", "b"])


def test_a_link_that_stays_inside_is_followed(folder: OpenFolder, root: Path) -> None:
    put(folder, "real/a")
    (root / "link").symlink_to("real")
    put(folder, "link/deep/b")
    assert held(root) == ["link", "real", "real/a", "real/deep", "real/deep/b"]


def test_nothing_is_deleted_through_a_link(folder: OpenFolder, root: Path) -> None:
    put(folder, "real/a")
    (root / "link").symlink_to("real")
    with pytest.raises(FileError, match="'link' is a symbolic link; nothing is deleted through a link"):
        folder.remove("link/a")
    folder.remove("real/a/below a file")
    assert held(root) == ["link", "real", "real/a"]
    folder.remove("link")
    assert held(root) == ["real", "real/a"]


def test_a_link_in_the_place_of_the_file_is_replaced(folder: OpenFolder, root: Path, outside: Path) -> None:
    root.mkdir()
    (root / "a").symlink_to(outside / "kept")
    put(folder, "a")
    assert ((outside / "kept").read_bytes(), (root / "a").read_bytes()) == (b"kept", b"new")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(folder: OpenFolder, root: Path, mode: int) -> None:
    put(folder, "a")
    (root / "a").chmod(mode)
    with AtomicFile(folder, "a") as file:
        assert os.fstat(file.fd).st_mode & 0o7777 == mode  # before it is published, too
        file.publish(0)
    assert (root / "a").stat().st_mode & 0o7777 == mode


def test_bytes_from_elsewhere_get_no_set_user_id(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    path.chmod(0o4755)
    with atomic_file(path) as file:
        file.publish(0)
    assert path.stat().st_mode & 0o7777 == 0o755


def test_a_file_where_a_folder_is_needed_is_in_the_way(folder: OpenFolder) -> None:
    put(folder, "a")
    with pytest.raises(NameTakenError, match="'a' is a file"):
        put(folder, "a/b")


def test_a_folder_that_holds_files_is_in_the_way(folder: OpenFolder, root: Path) -> None:
    put(folder, "a/b/c")
    with pytest.raises(NameTakenError, match="a folder with files"):
        put(folder, "a")
    assert held(root) == ["a", "a/b", "a/b/c"]


def test_a_folder_of_empty_folders_gives_way(folder: OpenFolder, root: Path) -> None:
    (root / "a" / "b" / "c").mkdir(parents=True)
    (root / "a" / ".penstock-making-0123456789abcdef").touch()
    put(folder, "a")
    assert held(root) == ["a"]


def test_a_folder_that_holds_a_link_does_not_give_way(folder: OpenFolder, root: Path, outside: Path) -> None:
    (root / "a").mkdir(parents=True)
    (root / "a" / "link").symlink_to(outside)
    with pytest.raises(NameTakenError):
        put(folder, "a")
    assert held(outside) == ["kept"]


def test_what_is_not_there_is_removed_already(folder: OpenFolder) -> None:
    folder.remove("a")
    folder.remove("a/b")
