"""Which bytes of a source are indexed and entered."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import replace

import pytest

from penstock.archives.archive import Skipped
from penstock.delivery.member_store import MemberObjects
from penstock.large_jobs.encoded_source import encoded_name, encoded_source
from penstock.limits import MIN_MEMORY, MIN_WINDOW, Budget
from penstock.model.member import Member, MemberContent
from penstock.model.object import Source, member_source
from penstock.testing.objects import MemoryObjectStore

ARCHIVE = Source("drops", "a.zip", 1_000, "e")
TEXT = b"some text\n" * 500


def member(method: str, encryption: str = "", size: int = 500) -> Source:
    return member_source(ARCHIVE, Member("a", 1, size, MemberContent(0, 100, method, encryption=encryption)))


@pytest.mark.parametrize(
    ("source", "codec", "encoded"),
    [
        (ARCHIVE, "gzip", "gzip"),
        (ARCHIVE, "identity", "identity"),
        (member("stored"), "identity", "identity"),
        (member("stored"), "gzip", "gzip"),
        (member("deflate"), "identity", "deflate"),
        (member("zstd"), "identity", "zstd"),
        (member("deflate"), "gzip", None),
        (member("zstd"), "zstd", None),
        (member("deflate", size=0), "identity", None),
        (member("stored", "AES-256"), "identity", None),
        (member("deflate", "ZipCrypto"), "identity", None),
        (member_source(ARCHIVE, Member("a", 1, 500)), "identity", None),
    ],
)
def test_bytes_that_are_encoded_once_can_be_entered(source: Source, codec: str, encoded: str | None) -> None:
    assert encoded_name(source, codec) == encoded


def test_the_encoded_size_of_a_member_is_that_of_its_content() -> None:
    assert (ARCHIVE.encoded_size, member("deflate").encoded_size) == (1_000, 100)
    assert replace(member("deflate"), member=Member("a")).encoded_size == 500


def read(method: int, name: str, codec: str) -> tuple[bytes, bytes]:
    """Return the archive, and the encoded bytes of its member."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, TEXT if codec != "gzip" else gzip.compress(TEXT))
    store = MemoryObjectStore("drops")
    source = store.put("drops", "a.zip", file.getvalue())
    objects = MemberObjects(store, Budget.of(MIN_MEMORY))
    opened = objects.open_archive(source)
    assert opened.archive.entries
    (entry,) = opened.archive.entries(opened.ranges)
    assert not isinstance(entry, Skipped)
    encoded = encoded_source(objects, member_source(source, entry), codec, MIN_WINDOW)
    assert encoded.indexer
    return file.getvalue(), b"".join(encoded.read(0, encoded.size))


def test_the_bytes_of_a_deflated_member_are_those_between_its_header_and_the_next() -> None:
    archive, encoded = read(zipfile.ZIP_DEFLATED, "a.txt", "deflate")
    begin = 30 + len("a.txt")
    assert encoded == archive[begin : begin + len(encoded)]
    assert archive[begin + len(encoded) :].startswith(b"PK\1\2")


def test_the_bytes_of_a_stored_gzip_are_its_own() -> None:
    assert gzip.decompress(read(zipfile.ZIP_STORED, "a.gz", "gzip")[1]) == TEXT
