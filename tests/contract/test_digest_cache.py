"""The digest cache: a file that processes share, and that may be lost at any time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from penstock.sync.digest_cache import DigestCache
from penstock.sync.model import LocalFile, ObjectMetadata, RemoteFile

FILE = LocalFile("a", "/tree/\udcff", 3, 1, 2, 3, 2**64 - 1)
OBJECT = RemoteFile("a", "lake", "data/a", 3, "etag-2", 1.5)
FACTS = ObjectMetadata(md5_etag=True, checksums={"crc32": "01"}, metadata={"who": "mé"}, part_sizes=(2, 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "known.sqlite"


@pytest.fixture
def cache(path: Path) -> Iterator[DigestCache]:
    with DigestCache(path) as cache:
        yield cache


def test_digests_are_kept_for_the_next_run(path: Path) -> None:
    with DigestCache(path) as cache:
        cache.remember_digest(FILE, "md5", "1")
        cache.remember_digest(FILE, "etag:2*1,1*1", "2-2")
        cache.remember_facts(OBJECT, FACTS)
    with DigestCache(path) as cache:
        assert cache.digests(FILE) == {"md5": "1", "etag:2*1,1*1": "2-2"}
        assert cache.facts(OBJECT) == FACTS


@pytest.mark.parametrize("change", [{"size": 4}, {"mtime_ns": 9}, {"ctime_ns": 9}, {"device": 9}, {"inode": 9}])
def test_a_changed_file_has_no_digest(cache: DigestCache, change: dict[str, Any]) -> None:
    cache.remember_digest(FILE, "md5", "1")
    assert cache.digests(replace(FILE, **change)) == {}


def test_a_changed_object_has_no_metadata(cache: DigestCache) -> None:
    cache.remember_facts(OBJECT, FACTS)
    for other in (replace(OBJECT, etag="e"), replace(OBJECT, size=4), replace(OBJECT, modified=2.5)):
        assert cache.facts(other) is None


def test_buckets_of_the_same_name_at_other_endpoints_are_different(path: Path) -> None:
    with DigestCache(path) as cache, DigestCache(path, "http://elsewhere") as other:
        cache.remember_facts(OBJECT, FACTS)
        cache.remember_object(OBJECT)
        assert (other.facts(OBJECT), other.objects("lake", "", 3)) == (None, [])


def test_objects_are_found_by_prefix_and_size(cache: DigestCache) -> None:
    cache.remember_object(OBJECT)
    assert cache.objects("lake", "data/", 3) == [OBJECT]
    assert cache.objects("lake", "other/", 3) == cache.objects("lake", "data/", 4) == []


def test_names_are_found_by_content_until_they_are_forgotten(cache: DigestCache) -> None:
    cache.remember_name("/one", "content", "a")
    cache.remember_name("/other", "content", "b")
    cache.remember_name("/one", "changed", "c")
    assert (cache.names("/one", "content"), cache.all_names("/one")) == (["a"], ["a", "c"])
    cache.forget_names("/one")
    assert (cache.all_names("/one"), cache.all_names("/other")) == ([], ["b"])


def test_a_damaged_file_is_created_again(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 1000)
    with DigestCache(path) as cache:
        cache.remember_digest(FILE, "md5", "1")
    with DigestCache(path) as cache:
        assert cache.digests(FILE) == {"md5": "1"}


def test_without_a_writable_folder_it_works_without_a_file_and_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING), DigestCache(tmp_path / "file" / "known.sqlite") as cache:
        cache.remember_digest(FILE, "md5", "1")
        assert cache.digests(FILE) == {"md5": "1"}
    assert "digests and metadata are not cached in this run" in caplog.text


def _remember_many(path: Path, algorithm: str) -> None:
    with DigestCache(path) as cache:
        for number in range(200):
            cache.remember_digest(replace(FILE, path=f"/tree/{number}"), algorithm, f"{algorithm}{number}")


def test_processes_that_start_and_write_at_the_same_time_lose_nothing(path: Path) -> None:
    spawn = get_context("spawn")
    writers = [spawn.Process(target=_remember_many, args=(path, f"algorithm{n}")) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with DigestCache(path) as cache:
        for number in range(200):
            known = cache.digests(replace(FILE, path=f"/tree/{number}"))
            assert known == {f"algorithm{n}": f"algorithm{n}{number}" for n in range(3)}


def test_other_users_cannot_read_the_file(path: Path) -> None:
    with DigestCache(path) as cache:
        cache.remember_digest(FILE, "md5", "1")
        assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}
