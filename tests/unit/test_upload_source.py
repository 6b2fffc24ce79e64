"""Files that are uploaded: read as they were when they were opened, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.aws.s3.body import PIECE, FileBody, HeldBody
from penstock.aws.s3.body_port import Body
from penstock.aws.s3.part_body import PartBody, progress_body
from penstock.errors import FileChangedError, FileError
from penstock.upload.local_source import SAMPLE, PipeReader, open_file


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


def bodies(tmp_path: Path, data: bytes) -> Iterator[Body]:
    """The same bytes, from memory and from the middle of a file."""
    yield HeldBody(bytearray(data))
    path = tmp_path / "around"
    path.write_bytes(b"before" + data + b"after")
    with open_file(path) as source:
        yield FileBody(source.read_into, len(b"before"), len(data), bytearray(PIECE))


def test_a_body_goes_in_pieces_whatever_is_asked_for_and_each_is_heard_of(tmp_path: Path) -> None:
    data = os.urandom(2 * PIECE + 5)
    for body in bodies(tmp_path, data):
        moved = list[int]()
        part = PartBody(body, moved.append)
        pieces = [bytes(piece) for piece in iter(lambda part=part: part.read(16), b"")]  # type: ignore[misc]  # bound
        assert (b"".join(pieces), moved, len(part)) == (data, [PIECE, PIECE, 5], len(data))


def test_a_body_that_goes_again_takes_back_what_had_moved(tmp_path: Path) -> None:
    data = os.urandom(2 * PIECE)
    for body in bodies(tmp_path, data):
        moved = list[int]()
        part = PartBody(body, moved.append)
        part.read()
        assert (part.tell(), part.seek(0), part.tell()) == (PIECE, 0, 0)
        assert bytes(part.read()) + bytes(part.read()) == data
        assert sum(moved) == 2 * PIECE
        assert (part.seek(0, os.SEEK_END), part.seek(-PIECE, os.SEEK_CUR)) == (2 * PIECE, PIECE)
        assert bytes(part.read()) == data[PIECE:]


def test_a_body_that_does_not_arrive_has_not_moved() -> None:
    moved = list[int]()

    def send() -> None:
        with progress_body(HeldBody(bytearray(2 * PIECE)), moved.append) as body:
            body.read()
            raise ConnectionError

    with pytest.raises(ConnectionError):
        send()
    assert sum(moved) == 0


def test_a_file_that_changes_on_its_way_is_told_of_at_once_and_not_tried_again(tmp_path: Path) -> None:
    path, moved = tmp_path / "file", list[int]()
    path.write_bytes(bytes(2 * PIECE))
    tries = 0

    def send(body: PartBody) -> None:
        nonlocal tries
        try:
            tries += 1
            while body.read():
                path.write_bytes(b"other")
        except Exception:  # noqa: BLE001  # as botocore does
            body.seek(0)
            send(body)

    def try_to_send() -> None:
        with (
            open_file(path) as source,
            progress_body(FileBody(source.read_into, 0, 2 * PIECE, bytearray(PIECE)), moved.append) as body,
        ):
            send(body)

    with pytest.raises(FileChangedError):
        try_to_send()
    assert (tries, sum(moved)) == (1, 0)
