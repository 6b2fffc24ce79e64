"""Files that are uploaded: read as they were when they were opened, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.part_body import PIECE, PartBody, going
from penstock.adapters.upload_source import SAMPLE, PipeReader, open_file
from penstock.errors import FileChangedError, FileError


@pytest.mark.parametrize("size", [0, 1, SAMPLE, 3 * SAMPLE, 10 * SAMPLE])
def test_a_change_at_the_begin_the_middle_or_the_end_shows_in_the_samples(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    data = bytes(size)
    path.write_bytes(data)
    with open_file(path) as source:
        identity = source.identity
    assert (identity.size, identity.inode) == (size, path.stat().st_ino)
    for at in {0, size // 2, size - 1} if size else set():
        path.write_bytes(data[:at] + b"x" + data[at + 1 :])
        with open_file(path) as source:
            assert source.identity.samples != identity.samples


@given(st.data())
def test_any_bytes_of_it_can_be_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = data.draw(st.binary(max_size=1000))
    path = tmp_path_factory.getbasetemp() / "any-bytes"
    path.write_bytes(content)
    start = data.draw(st.integers(0, len(content)))
    buffer = bytearray(data.draw(st.integers(0, len(content) - start)))
    with open_file(path) as source:
        source.read_into(memoryview(buffer), start)
    assert buffer == content[start : start + len(buffer)]


def test_a_path_is_absolute_and_a_link_keeps_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"data")
    (tmp_path / "link").symlink_to("file")
    monkeypatch.chdir(tmp_path)
    with open_file(Path("link")) as source:
        assert source.path == str(tmp_path / "link")
        assert source.identity.size == 4


def test_a_file_that_ends_too_soon_names_the_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with open_file(path) as source:
        os.truncate(path, 6)
        with pytest.raises(FileChangedError, match="it ends at byte 6, not at 10"):
            source.read_into(memoryview(bytearray(10)), 0)


def test_a_pipe_fills_buffers_until_it_ends() -> None:
    read, write = os.pipe()
    os.write(write, b"0123456789")
    os.close(write)
    reader, buffer = PipeReader(read), bytearray(7)
    assert (reader(memoryview(buffer)), bytes(buffer)) == (7, b"0123456")
    assert (reader(memoryview(buffer)), bytes(buffer[:3])) == (3, b"789")
    assert reader(memoryview(buffer)) == 0
    os.close(read)
    with pytest.raises(FileError, match="standard input cannot be read"):
        reader(memoryview(buffer))


def test_a_body_goes_in_pieces_whatever_is_asked_for_and_each_is_heard_of() -> None:
    data, moved = os.urandom(2 * PIECE + 5), list[int]()
    body = PartBody(bytearray(data), moved.append)
    pieces = [bytes(piece) for piece in iter(lambda: body.read(16), b"")]
    assert (b"".join(pieces), moved, len(body)) == (data, [PIECE, PIECE, 5], len(data))


def test_a_body_that_goes_again_takes_back_what_had_moved() -> None:
    moved = list[int]()
    body = PartBody(bytearray(2 * PIECE), moved.append)
    body.read()
    assert (body.tell(), body.seek(0), body.tell()) == (PIECE, 0, 0)
    body.read()
    body.read()
    assert sum(moved) == 2 * PIECE
    assert (body.seek(0, os.SEEK_END), body.seek(-PIECE, os.SEEK_CUR)) == (2 * PIECE, PIECE)


def test_a_body_that_does_not_arrive_has_not_moved() -> None:
    moved = list[int]()

    def send() -> None:
        with going(bytearray(2 * PIECE), moved.append) as body:
            body.read()
            raise ConnectionError

    with pytest.raises(ConnectionError):
        send()
    assert sum(moved) == 0
