"""Files and pipes as sources, files as sinks, and the file that lists rejects."""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from penstock.errors import ChecksumMismatchError, DiskFullError, FileChangedError, FileError
from penstock.model.load import Resume
from penstock.model.record import RecordPosition, Reject
from penstock.run.file_sink import FileSink
from penstock.run.local_source import PIECE, FileSource, PipeSource
from penstock.run.rejects_file import RejectsFile

DATA = bytes(range(256)) * 3000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "source.bin"
    path.write_bytes(DATA)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def through() -> Iterator[int]:
    """A pipe through which the data comes."""
    reader, writer = os.pipe()

    def fill() -> None:
        with os.fdopen(writer, "wb") as stream:
            stream.write(DATA)

    thread = Thread(target=fill)
    thread.start()
    yield reader
    thread.join()
    os.close(reader)


# Files that are read.


def test_a_file_is_read_as_often_as_it_is_asked(file: Path) -> None:
    source = FileSource(file)
    assert (source.size, b"".join(source.chunks()), b"".join(source.chunks())) == (len(DATA), DATA, DATA)
    assert max(map(len, source.chunks())) <= PIECE


def test_a_file_that_was_written_to_has_another_version(file: Path) -> None:
    before = FileSource(file).version
    os.utime(file, ns=(1, 1))
    assert FileSource(file).version != before


def test_a_file_that_grows_while_it_is_read_is_refused(file: Path) -> None:
    chunks = FileSource(file).chunks()
    next(chunks)
    with file.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(FileChangedError, match=r"source\.bin: the file changed while it was being read"):
        list(chunks)


def test_a_file_that_changed_between_two_readings_is_refused(file: Path) -> None:
    source = FileSource(file)
    os.utime(file, ns=(1, 1))
    with pytest.raises(FileChangedError):
        next(source.chunks())


def test_a_file_that_vanished_is_named(file: Path) -> None:
    source = FileSource(file)
    file.unlink()
    with pytest.raises(FileError, match=r"source\.bin: No such file"):
        next(source.chunks())


def test_a_folder_and_a_device_are_no_sources(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a folder"):
        FileSource(tmp_path)
    with pytest.raises(FileError, match="not a regular file"):
        FileSource(Path("/dev/null"))


# Pipes.


def test_a_pipe_is_read_to_its_end(through: int) -> None:
    assert b"".join(PipeSource(through, 10**9).chunks()) == DATA


@pytest.mark.parametrize("pieces", [0, 1, 2, 10**6])
def test_a_pipe_is_read_twice_where_that_was_asked_for(through: int, pieces: int) -> None:
    source = PipeSource(through, 10**9, replay=True)
    first = source.chunks()
    begun = b"".join(piece for piece, _ in zip(first, range(pieces), strict=False))
    first.close()
    assert DATA.startswith(begun)
    assert b"".join(source.chunks()) == DATA


# Files that are written.


def test_a_file_appears_whole_and_with_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "out"
    with FileSink(path) as sink:
        sink.write(DATA)
        sink.write(memoryview(b"end"))
        assert not path.exists()
        published = sink.publish(crc32=zlib.crc32(DATA + b"end"))
    assert path.read_bytes() == DATA + b"end"
    assert (published.size, published.crc32) == (len(DATA) + 3, zlib.crc32(DATA + b"end"))
    assert names(path.parent) == ["out"]


def test_what_the_sender_did_not_declare_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"before")
    with FileSink(tmp_path / "out") as sink:
        sink.write(DATA)
        with pytest.raises(ChecksumMismatchError, match="declares CRC32 00000001"):
            sink.publish(crc32=1)
    assert (names(tmp_path), (tmp_path / "out").read_bytes()) == (["out"], b"before")


def test_without_publishing_nothing_is_left(tmp_path: Path) -> None:
    with FileSink(tmp_path / "out") as sink:
        sink.write(DATA)
    assert names(tmp_path) == []


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(FileError, match="/dev/null is not a regular file"), FileSink(Path("/dev/null")):
        pass


def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with FileSink(tmp_path / "out") as sink:
        monkeypatch.setattr("os.pwrite", full)
        with pytest.raises(DiskFullError, match="No space left") as raised:
            sink.write(DATA)
    assert "Free some space" in raised.value.hint
    assert names(tmp_path) == []


# Rejects.


def rejects(*rows: int) -> list[Reject]:
    return [Reject(RecordPosition(row, row * 10, f"raw {row}"), "is wrong", "column") for row in rows]


def listed(path: Path) -> list[int]:
    return [json.loads(line)["row"] for line in path.read_text().splitlines()]


def test_rejects_are_lines_that_say_everything(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    assert RejectsFile(path, Resume()).write("job", "00000-000000", rejects(7)) == str(path)
    (line,) = path.read_text().splitlines()
    assert json.loads(line) == {
        "span": 0,
        "row": 7,
        "offset": 70,
        "column": "column",
        "reason": "is wrong",
        "raw": "raw 7",
    }


def test_without_rejects_there_is_no_file(tmp_path: Path) -> None:
    RejectsFile(tmp_path / "rejects.jsonl", Resume())
    assert names(tmp_path) == []


def test_rejects_of_an_earlier_load_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    RejectsFile(path, Resume()).write("job", "a", rejects(1, 2, 3))
    log = RejectsFile(path, Resume())
    log.write("job", "a", rejects(4))
    log.write("job", "b", rejects(5))
    assert listed(path) == [4, 5]


def test_a_load_that_goes_on_lists_each_reject_once(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    RejectsFile(path, Resume()).write("job", "a", rejects(1, 5, 12))
    with path.open("a") as file:
        file.write('{"row": 13, "reas')  # the process was killed here
    resume = Resume(chunk=1, row=10, refused=tuple(rejects(5)))
    log = RejectsFile(path, resume)
    log.write("job", "00000-000000-refused", rejects(5))
    log.write("job", "00000-000001", rejects(12, 13))
    assert listed(path) == [1, 5, 12, 13]
