"""Zip archives of other programs (fixtures/archives/make_zips.sh), and methods that no writer here has."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard

from fixtures.encoded import zstd_frame
from fixtures.tars import WRITTEN
from fixtures.zips import Entry, contents, decoded, listed, zip_of
from penstock.archives.archive import Skipped
from penstock.errors import BadHeaderError, BadSourceError
from penstock.limits import MIB
from penstock.model.member import Member

TEXTS = {
    "data/a.csv": b"id,name\n" * 200,
    "data/empty.csv": b"",
    "data/folder/b.txt": b"stored\n",
    "data/ü.csv": b"umlaut\n",
}
TEXT = TEXTS["data/a.csv"]
OTHERS = ("encrypted-", "infozip-stdin")
ARCHIVES = sorted(path for path in WRITTEN.glob("*.zip") if not path.name.startswith(OTHERS))


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.stem)
@pytest.mark.parametrize(("chunk", "step"), [(0, 65_536), (1, 1), (7, 100)])
def test_what_other_programs_write_is_read(path: Path, chunk: int, step: int) -> None:
    if "deflate64" in path.name:
        pytest.importorskip("inflate64")
    assert contents(path.read_bytes(), chunk=chunk, step=step) == TEXTS


def test_there_are_archives_of_every_program() -> None:
    assert {path.stem.split("-")[0] for path in ARCHIVES} == {"infozip", "7z", "bsdtar", "java"}


@pytest.mark.parametrize("name", ["infozip", "infozip-prefix-adjusted", "bsdtar"])
def test_directories_and_links_are_skipped_and_modes_and_times_are_kept(name: str) -> None:
    found = listed((WRITTEN / f"{name}.zip").read_bytes())
    skipped = {entry.name: entry.reason for entry in found if isinstance(entry, Skipped)}
    assert skipped == {
        "data/": "it is a directory",
        "data/folder/": "it is a directory",
        "data/soft.csv": "it is a symbolic link",
    }
    first = next(entry for entry in found if entry.name == "data/a.csv")
    assert isinstance(first, Member)
    assert (first.mode, first.modified) == (0o640, "2026-01-02T03:04:05Z")


def test_what_info_zip_read_from_a_pipe_is_a_file() -> None:
    """It marks it as a FIFO, and calls it ``-``."""
    assert contents((WRITTEN / "infozip-stdin.zip").read_bytes()) == {"-": TEXT}


@pytest.mark.parametrize(
    ("method", "data"),
    [(95, lzma.compress(TEXT)), (93, zstd_frame(TEXT)), (20, zstd_frame(TEXT)), (93, zstd_frame(b""))],
)
@pytest.mark.parametrize(("chunk", "step"), [(0, 65_536), (1, 1), (100, 7)])
def test_xz_and_zstd_are_read(method: int, data: bytes, chunk: int, step: int) -> None:
    text = TEXT if data != zstd_frame(b"") else b""
    assert contents(zip_of(Entry(b"a", text, method=method, data=data)), chunk=chunk, step=step) == {"a": text}


def lzma_data(text: bytes, dictionary: int, *, marked: bool) -> bytes:
    """LZMA as zip has it, with an end marker or without."""
    stream = lzma.compress(text, lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": dictionary}])
    header, size, body = stream[:5], stream[5:13], stream[13:]
    assert size == b"\xff" * 8  # unknown, so there is a marker
    return b"\x09\x14\x05\x00" + header + (body if marked else body[:-6])


@pytest.mark.parametrize("dictionary", [4096, 1 << 20, 64 * MIB, 1 << 31])
def test_an_lzma_dictionary_counts_only_as_far_as_the_member_fills_it(dictionary: int) -> None:
    data = bytearray(lzma_data(TEXT, 4096, marked=True))
    data[5:9] = dictionary.to_bytes(4, "little")
    archive = zip_of(Entry(b"a", TEXT, method=14, data=bytes(data)))
    assert contents(archive) == {"a": TEXT}


def long_matches(count: int) -> bytes:
    """Deflate64 of fixed codes: an ``a``, and matches of 65,538 bytes at distance 1, which no writer here makes."""
    bits = "110" + f"{0x30 + ord('a'):08b}" + ("11000101" + "1" * 16 + "00000") * count + "0000000"
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


@pytest.mark.parametrize(("chunk", "step"), [(0, 65_536), (1, 1000), (3, 65_538)])
def test_deflate64_has_matches_of_64_kib(chunk: int, step: int) -> None:
    pytest.importorskip("inflate64")
    text = b"a" * (1 + 65_538 * 40)
    assert contents(zip_of(Entry(b"a", text, method=9, data=long_matches(40))), chunk=chunk, step=step) == {"a": text}


@pytest.mark.parametrize("size", range(60))
def test_deflate64_that_is_cut_off_is_refused(size: int) -> None:
    pytest.importorskip("inflate64")
    whole = long_matches(20)
    data = zip_of(Entry(b"a", b"a" * (1 + 65_538 * 20), method=9, data=whole[:size]))
    (member,) = listed(data)
    assert isinstance(member, Member)
    with pytest.raises(BadSourceError):
        decoded(data, member)


def zstd_wide(text: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=24)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(text)


@pytest.mark.parametrize(
    ("method", "compress", "what"),
    [
        (14, partial(lzma_data, dictionary=16 * MIB, marked=True), "LZMA dictionary"),
        (95, partial(lzma.compress, preset=9), "xz dictionary"),
        (93, zstd_wide, "zstd window"),
    ],
)
def test_a_window_that_does_not_fit_is_refused_with_the_memory_that_it_needs(
    method: int, compress: Callable[[bytes], bytes], what: str
) -> None:
    data = compress(bytes(9 * MIB))
    archive = zip_of(Entry(b"first"), Entry(b"a", bytes(9 * MIB), method=method, data=data))
    _, member = listed(archive)
    assert isinstance(member, Member)
    with pytest.raises(BadHeaderError, match=what) as caught:
        decoded(archive, member)
    assert "Set MemorySize to" in caught.value.hint
    assert caught.value.offset > 44
    assert decoded(archive, member, window=64 * MIB) == bytes(9 * MIB)
