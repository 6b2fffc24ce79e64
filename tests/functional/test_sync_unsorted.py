"""`penstock sync` with services that list keys in any order: skips equal files and deletes nothing by mistake."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from functional.s3_lake import Lake, tree, write
from functional.unsorted_s3 import Ordering, unsorted
from lengths import long

pytest_plugins = ["functional.lake_fixtures"]

NAMES = ["a", "a-b", "a/b", "b/c/d", "b/c.d", "B", "z", "ä", "\uffff", "\U0001f600", "m", "n"]


def shuffled(found: list[bytes]) -> list[bytes]:
    return random.Random(7).sample(found, len(found))


def by_utf16(found: list[bytes]) -> list[bytes]:
    """The order of gateways that are written in Java or C#."""
    return sorted(found, key=lambda one: one.decode().encode("utf-16-be"))


ORDERS: list[Ordering] = [lambda found: found[::-1], shuffled, by_utf16]
WAYS = pytest.mark.parametrize("options", [(), ("--delete",)], ids=["keep", "delete"])
ORDERED = pytest.mark.parametrize("order", ORDERS, ids=["reversed", "shuffled", "utf16"])
PAGED = pytest.mark.parametrize("page", [1000, long(5), 1])


@WAYS
@pytest.mark.parametrize(
    "order",
    [long(ORDERS[0], id="reversed"), pytest.param(shuffled, id="shuffled"), long(ORDERS[2], id="utf16")],
)
@PAGED
@pytest.mark.long
def test_equal_trees_are_not_changed_in_any_direction(
    lake: Lake, tmp_path: Path, options: tuple[str, ...], order: Ordering, page: int
) -> None:
    names = [name for name in NAMES if name != "a"]  # a file system cannot have a file and a folder of that name
    for name in names:
        write(tmp_path / "folder" / name, name.encode())
        for prefix in ("one", "other"):
            lake.put(f"{prefix}/{name}", name.encode())
    before = lake.keys()
    lake.proxy.schedule = unsorted(order, page)
    one, other = f"{lake.uri}/one", f"{lake.uri}/other"
    for source, destination in ((tmp_path / "folder", one), (one, tmp_path / "folder"), (one, other)):
        result = lake.sync(source, destination, *options)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{len(names)} unchanged\n")
    assert lake.keys() == before
    assert sorted(tree(tmp_path / "folder")) == sorted(names)


@ORDERED
def test_what_differs_is_moved_and_what_is_too_much_deleted(lake: Lake, tmp_path: Path, order: Ordering) -> None:
    for name in NAMES:
        lake.put(f"to/{name}", b"old" if name == "m" else name.encode())
    lake.put("to/gone", b"1")
    for name in NAMES[1:]:
        write(tmp_path / "folder" / name, name.encode())
    lake.proxy.schedule = unsorted(order, 4)
    result = lake.sync(tmp_path / "folder", f"{lake.uri}/to", "--delete")
    assert sorted(result.stdout.splitlines()) == [
        f"delete: {lake.uri}/to/a",
        f"delete: {lake.uri}/to/gone",
        f"upload: {tmp_path}/folder/m to {lake.uri}/to/m",
    ]


@ORDERED
def test_a_file_and_a_folder_of_one_name_are_distinguished_in_any_order(
    lake: Lake, tmp_path: Path, order: Ordering
) -> None:
    for key in ("a", "a-", "a/b", "a/c/d", "b"):
        lake.put(key, key.encode())
    lake.proxy.schedule = unsorted(order)
    result = lake.sync(lake.uri, tmp_path / "folder")
    assert (result.exit_code, sorted(tree(tmp_path / "folder"))) == (1, ["a", "a-", "b"])
