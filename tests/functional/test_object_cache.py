"""`penstock.sync.ObjectCache`: which objects are transferred, in one process and in several."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from functional.s3_lake import LONG_AGO, Lake, write
from penstock.errors import FileError, SourceGoneError
from penstock.limits import MIB
from penstock.wiring.object_cache import ObjectCache

pytest_plugins = ["functional.lake_fixtures"]

# Processes that a test starts also import this module.
CONTENT = random.Random(1).randbytes(100_000)


@pytest.fixture
def cache(lake: Lake, tmp_path: Path) -> Iterator[ObjectCache]:
    with ObjectCache(lake.bucket, "data", tmp_path / "cache", endpoint_url=lake.proxy.url) as cache:
        yield cache


def counts(cache: ObjectCache) -> tuple[int, int, int]:
    return cache.hits, cache.copies, cache.misses


def gets(lake: Lake) -> int:
    return lake.requests.count("GetObject")


def test_nothing_is_opened_before_it_is_needed(lake: Lake, cache: ObjectCache, tmp_path: Path) -> None:
    assert cache.path_of("deep/a") == tmp_path / "cache" / "deep" / "a"
    assert (lake.requests, list(tmp_path.iterdir())) == ([], [])


def test_a_download_is_a_miss_and_then_a_hit(lake: Lake, cache: ObjectCache) -> None:
    lake.put("data/deep/a", CONTENT)
    path = cache.download("deep/a")
    assert (path, path.read_bytes(), counts(cache)) == (cache.path_of("deep/a"), CONTENT, (0, 0, 1))
    lake.proxy.log.clear()
    assert (cache.download("deep/a"), counts(cache), lake.requests) == (path, (1, 0, 1), ["HeadObject"])


def test_changed_content_is_fetched_again(lake: Lake, cache: ObjectCache) -> None:
    lake.put("data/a", b"before")
    cache.download("a")
    lake.put("data/a", b"after!")
    assert cache.download("a").read_bytes() == b"after!"
    cache.path_of("a").write_bytes(b"edited")
    assert cache.download("a").read_bytes() == b"after!"
    assert counts(cache) == (0, 0, 3)


def test_one_content_under_ten_names_is_fetched_once(lake: Lake, cache: ObjectCache) -> None:
    for number in range(10):
        lake.put(f"data/{number}", CONTENT)
    lake.proxy.log.clear()
    paths = [cache.download(str(number)) for number in range(10)]
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert (counts(cache), gets(lake)) == ((0, 9, 1), 1)


def test_a_copy_is_a_file_of_its_own(lake: Lake, cache: ObjectCache) -> None:
    lake.put("data/a", CONTENT)
    lake.put("data/b", CONTENT)
    one, other = cache.download("a"), cache.download("b")
    one.write_bytes(b"edited")
    assert other.read_bytes() == CONTENT


def test_an_edited_file_is_not_a_source_of_copies(lake: Lake, cache: ObjectCache) -> None:
    lake.put("data/a", CONTENT)
    lake.put("data/b", CONTENT)
    cache.download("a").write_bytes(os.urandom(len(CONTENT)))
    assert cache.download("b").read_bytes() == CONTENT
    assert counts(cache) == (0, 0, 2)


def test_ten_threads_that_want_one_content_fetch_it_once(lake: Lake, cache: ObjectCache) -> None:
    for number in range(10):
        lake.put(f"data/{number}", CONTENT)
    with ThreadPoolExecutor(10) as threads:
        paths = list(threads.map(cache.download, map(str, range(10))))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert counts(cache) == (0, 9, 1)


def test_sync_brings_everything_and_each_content_once(lake: Lake, cache: ObjectCache) -> None:
    for number in range(6):
        lake.put(f"data/{number}", CONTENT if number < 4 else b"%d" % number)
    lake.put("elsewhere", b"1")
    summary = cache.sync()
    assert sorted(path.name for path in cache.path.iterdir()) == list("012345")
    assert (summary.counts.total(), counts(cache)) == (6, (0, 3, 3))
    assert cache.sync().equal == 6
    assert counts(cache) == (6, 3, 3)


def test_sync_transfers_what_it_can_and_then_reports_failures(lake: Lake, cache: ObjectCache) -> None:
    for key in ("a", "a/b", "c"):
        lake.put(f"data/{key}", b"1")
    with pytest.raises(FileError, match="both a file and a folder"):
        cache.sync()
    assert sorted(path.name for path in cache.path.iterdir()) == ["a", "c"]


def test_an_upload_is_a_miss_and_then_a_hit(lake: Lake, cache: ObjectCache) -> None:
    write(cache.path / "deep" / "a", CONTENT)
    assert cache.upload("deep/a") == f"{lake.uri}/data/deep/a"
    assert (lake.read("data/deep/a"), counts(cache)) == (CONTENT, (0, 0, 1))
    lake.proxy.log.clear()
    cache.upload(cache.path / "deep" / "a")
    assert (counts(cache), lake.requests) == ((1, 0, 1), ["HeadObject"])


def test_a_file_from_elsewhere_is_taken_into_the_cache(lake: Lake, cache: ObjectCache, tmp_path: Path) -> None:
    file = write(tmp_path / "report.csv", CONTENT)
    assert cache.upload(file) == f"{lake.uri}/data/report.csv"
    assert cache.path_of("report.csv").stat().st_mtime_ns == LONG_AGO
    cache.download("report.csv")
    assert counts(cache) == (1, 0, 1)


@pytest.mark.parametrize("size", [1000, 17 * MIB], ids=["one request", "parts"])
@pytest.mark.long
def test_one_content_under_ten_names_is_sent_once(lake: Lake, cache: ObjectCache, size: int) -> None:
    data = os.urandom(size)
    for number in range(4):
        write(cache.path / str(number), data)
        cache.upload(str(number))
    assert {lake.read(f"data/{number}") for number in range(4)} == {data}
    assert counts(cache) == (0, 3, 1)


def test_a_missing_object_is_not_a_source_of_copies(lake: Lake, cache: ObjectCache) -> None:
    for name in ("a", "b", "c"):
        write(cache.path / name, CONTENT)
    cache.upload("a")
    lake.client.delete_object(Bucket=lake.bucket, Key="data/a")
    cache.upload("b")
    lake.put("data/b", b"x" * len(CONTENT))
    cache.upload("c")
    assert (lake.read("data/c"), counts(cache)) == (CONTENT, (0, 0, 3))


def test_what_does_not_exist_is_said(cache: ObjectCache) -> None:
    with pytest.raises(SourceGoneError, match="data/missing: no such object"):
        cache.download("missing")
    with pytest.raises(FileError, match="missing: no such file"):
        cache.upload("missing")


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "a//b", "a\0b", ""])
def test_a_name_that_would_leave_the_folder_is_refused(lake: Lake, cache: ObjectCache, name: str) -> None:
    for method in (cache.download, cache.path_of):
        with pytest.raises(FileError, match="the key"):
            method(name)
    assert lake.requests == []


def test_clear_deletes_what_the_cache_has_brought_and_nothing_else(lake: Lake, cache: ObjectCache) -> None:
    lake.put("data/a", CONTENT)
    lake.put("data/b", CONTENT)
    cache.sync()
    write(cache.path / "mine", b"1")
    assert cache.clear() == 2
    assert [path.name for path in cache.path.iterdir()] == ["mine"]
    assert lake.keys() == ["data/a", "data/b"]
    cache.download("a")
    assert cache.misses == 2


def test_it_survives_pickling_without_anything_open(lake: Lake, cache: ObjectCache) -> None:
    lake.put("data/a", CONTENT)
    cache.download("a")
    with pickle.loads(pickle.dumps(cache)) as copy:
        assert (copy.download("a").read_bytes(), counts(copy)) == (CONTENT, (1, 0, 0))
        assert (copy.bucket, copy.prefix, copy.path) == (cache.bucket, cache.prefix, cache.path)


def test_it_can_be_closed_and_used_again(lake: Lake, cache: ObjectCache) -> None:
    lake.put("data/a", CONTENT)
    cache.download("a")
    cache.close()
    cache.close()
    cache.download("a")
    assert counts(cache) == (1, 0, 1)


def test_it_shows_itself(lake: Lake, tmp_path: Path) -> None:
    cache = ObjectCache(lake.bucket, "<b>", tmp_path, endpoint_url=lake.proxy.url)
    assert repr(cache) == f"<ObjectCache {lake.uri}/<b>/ in {tmp_path}: 0 hits, 0 copies, 0 misses>"
    assert "&lt;b&gt;" in cache._repr_html_()
    assert "<b></b>" not in cache._repr_html_()


def test_progress_is_reported_by_name(lake: Lake, tmp_path: Path) -> None:
    lake.put("data/a", CONTENT)
    reported: dict[str, int] = {}

    def progress(name: str, size: int) -> None:
        reported[name] = reported.get(name, 0) + size

    with ObjectCache(lake.bucket, "data/", tmp_path, endpoint_url=lake.proxy.url, progress=progress) as cache:
        cache.download("a")
    assert reported == {"a": len(CONTENT)}


def _fetch_all(cache: ObjectCache) -> tuple[int, int, int]:
    with cache:
        for number in range(10):
            assert cache.download(str(number)).read_bytes() == CONTENT
        return counts(cache)


@pytest.mark.long
def test_two_processes_that_want_ten_names_of_one_content_fetch_it_once(lake: Lake, cache: ObjectCache) -> None:
    for number in range(10):
        lake.put(f"data/{number}", CONTENT)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        found = list(processes.map(_fetch_all, [cache, cache]))
    assert sum(misses for _, _, misses in found) == 1
    assert all(sum(each) == 10 for each in found)
    assert not [path for path in cache.path.iterdir() if path.name.startswith(".")]
