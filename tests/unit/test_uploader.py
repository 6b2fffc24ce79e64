"""Sending a file, interrupted anywhere: over a service in memory that counts what comes in.

Parts are two pieces long, under limits that allow it. One test sends parts of the real smallest size.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from penstock.aws.s3.body import PIECE, HeldBody
from penstock.aws.s3.body_port import Body, Moved
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    DestinationMissingError,
    FileChangedError,
    FileError,
    PenstockError,
    PublishConflictError,
    RequestRefusedError,
    ServiceUnavailableError,
    StateFileError,
)
from penstock.limits import S3, S3Limits
from penstock.model.object import Content, Target
from penstock.model.upload import Proof, UploadState
from penstock.testing.upload import KeptProgress, MemoryFile, MemoryStateFile, MemoryUploadService
from penstock.upload.state import from_text, to_text
from penstock.upload.uploader import Uploader, UploadRequest, UploadResult

PART = 2 * PIECE
SMALL_PARTS = S3Limits(min_part=PART)
DATA = os.urandom(4 * PART + 100)
TARGET = Target("lake", "big")


class Setting:
    """A file, a service and a state that outlives each run."""

    def __init__(self, data: bytes = DATA, *, s3: S3Limits = SMALL_PARTS, **service: object) -> None:
        self.s3 = s3
        self.service = MemoryUploadService("lake", s3=s3, **service)  # type: ignore[arg-type]  # as the test says
        self.file = MemoryFile(data)
        self.state = MemoryStateFile()
        self.progress = KeptProgress()

    def run(
        self, *, restart: bool = False, keep_state: bool = False, part_size: int = PART, threads: int = 1
    ) -> UploadResult:
        order = UploadRequest(self.file, TARGET, Content(), part_size, restart)
        return self.uploader(threads).upload(order, self.state, keep_state=keep_state)

    def uploader(self, threads: int) -> Uploader:
        return Uploader(self.service, self.progress, threads=threads, clock=lambda: 0.0, s3=self.s3)

    def interrupted_after(self, parts: int) -> None:
        """A run that the network ends after so many parts."""
        with pytest.raises(ServiceUnavailableError):
            self.failing_at("send", parts, ServiceUnavailableError("lost")).run()
        self.service.before = lambda operation: None

    def failing_at(self, operation: str, turn: int, error: BaseException) -> Setting:
        turns = iter(range(turn))

        def before(name: str) -> None:
            if name == operation and next(turns, None) is None:
                raise error

        self.service.before = before
        return self

    @property
    def remembered(self) -> UploadState:
        assert self.state.text
        return from_text(self.state.text, "state")


@pytest.fixture
def setting() -> Setting:
    return Setting()


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_an_object_is_the_file_and_nothing_is_left_behind(threads: int) -> None:
    setting = Setting()
    sent = setting.run(threads=threads)
    assert setting.service.objects[TARGET].data == DATA
    assert (sent.size, sent.sent, sent.parts, sent.kept) == (len(DATA), len(DATA), 5, 0)
    assert (setting.state.text, setting.service.uploads) == (None, {})
    assert setting.progress.added == len(DATA)


def test_parts_have_the_smallest_size_that_s3_allows() -> None:
    setting = Setting(os.urandom(S3.min_part + 1), s3=S3)
    assert setting.run(part_size=S3.min_part, threads=2).parts == 2
    assert setting.service.objects[TARGET].data == setting.file.data
    with pytest.raises(ConfigurationError, match="outside S3's limits"):
        setting.run(part_size=S3.min_part - 1)


@pytest.mark.parametrize("size", [0, 1, PART])
def test_a_small_file_is_one_put(size: int) -> None:
    setting = Setting(DATA[:size])
    assert setting.run().parts == 0
    assert setting.service.objects[TARGET].data == DATA[:size]


@pytest.mark.parametrize("proof", Proof)
@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_a_part_that_s3_has_is_never_sent_again(after: int, proof: Proof) -> None:
    setting = Setting(proof=proof)
    setting.interrupted_after(after)
    sent = setting.run()
    assert setting.service.sent == len(DATA)
    assert sent.kept == after
    assert setting.progress.skipped == after * PART
    assert setting.service.objects[TARGET].data == DATA


def test_a_part_that_s3_has_is_known_by_its_crc32_where_etags_say_nothing() -> None:
    setting = Setting(opaque_etags=True)
    setting.interrupted_after(3)
    assert setting.run().kept == 3


@pytest.mark.parametrize("proof", Proof)
@pytest.mark.parametrize("damaged", [b"x" * PART, b"short"])
def test_a_part_that_is_not_ours_is_sent_again(proof: Proof, damaged: bytes) -> None:
    setting = Setting(proof=proof)
    setting.interrupted_after(3)
    setting.service.uploads[setting.remembered.upload_id].parts[2] = damaged
    assert setting.run().kept == 2
    assert setting.service.objects[TARGET].data == DATA


def test_parts_keep_the_size_they_were_begun_with_and_a_person_is_told(setting: Setting) -> None:
    setting.interrupted_after(2)
    assert setting.run(part_size=PART + 1).kept == 2
    assert "use --restart to change it" in setting.progress.lines[0]


@pytest.mark.parametrize("operation", ["send", "complete", "parts"])
def test_an_answer_that_is_lost_costs_no_second_sending(setting: Setting, operation: str) -> None:
    setting.interrupted_after(2)

    def lose(name: str) -> None:
        if name == operation:
            raise ServiceUnavailableError("answer lost")

    setting.service.after = lose
    if operation != "parts":
        with pytest.raises(ServiceUnavailableError):
            setting.run()
    setting.service.after = lambda name: None
    setting.run()
    assert setting.service.sent == len(DATA)
    assert setting.service.objects[TARGET].data == DATA
    assert setting.state.text is None


@pytest.mark.parametrize("proof", Proof)
def test_what_was_completed_but_not_noted_is_found_at_the_destination(proof: Proof) -> None:
    setting = Setting(proof=proof)
    setting.interrupted_after(2)
    text = setting.state.text
    setting.run()
    setting.state.text = text
    sent = setting.run()
    assert (sent.sent, setting.service.sent) == (0, len(DATA))
    assert setting.state.text is None


@pytest.mark.parametrize("other", [None, b"another object"])
def test_an_upload_that_is_gone_begins_anew(setting: Setting, other: bytes | None) -> None:
    setting.interrupted_after(2)
    setting.service.uploads.clear()
    if other:
        setting.service.put(
            TARGET, Content(), HeldBody(bytearray(other)), crc32=zlib.crc32(other), moved=KeptProgress().add
        )
    assert setting.run().sent == len(DATA)
    assert "starting again" in setting.progress.lines[0]
    assert setting.service.objects[TARGET].data == DATA


def test_who_may_only_write_begins_anew_too(setting: Setting) -> None:
    setting.interrupted_after(2)
    setting.service.uploads.clear()
    setting.failing_at("existing", 0, AccessDeniedError("s3:GetObject")).run()
    assert setting.service.objects[TARGET].data == DATA


def test_an_upload_that_somebody_ended_while_it_ran_says_so(setting: Setting) -> None:
    setting.service.before = lambda name: setting.service.uploads.clear() if name == "complete" else None
    with pytest.raises(PublishConflictError, match="another process ended the upload"):
        setting.run()


@pytest.mark.parametrize(
    "change", [{"data": DATA + b"+"}, {"data": b"-" + DATA[1:]}, {"mtime_ns": 2}], ids=["grown", "edited", "touched"]
)
def test_a_source_that_changed_is_refused_until_restart(setting: Setting, change: dict[str, object]) -> None:
    setting.interrupted_after(2)
    setting.file = MemoryFile(**{"data": DATA, **change})  # type: ignore[arg-type]  # as the test says
    with pytest.raises(FileChangedError, match="/data/file has changed since its upload to s3://lake/big") as refused:
        setting.run()
    assert "--restart" in refused.value.hint
    assert setting.state.text
    setting.run(restart=True)
    assert setting.service.objects[TARGET].data == setting.file.data
    assert not setting.service.uploads
    assert setting.state.load() is None


def test_the_same_file_under_another_inode_goes_on(setting: Setting) -> None:
    setting.interrupted_after(2)
    setting.file = MemoryFile(DATA, inode=2)
    assert setting.run().kept == 2


def test_a_source_that_changes_while_it_is_read_is_never_published(setting: Setting) -> None:
    def change(name: str) -> None:
        setting.file.data = DATA + b"!"

    setting.service.after = change
    with pytest.raises(FileChangedError, match="changed while it was read"):
        setting.run()
    assert setting.service.objects == {}


def test_a_state_of_another_upload_is_refused(setting: Setting) -> None:
    setting.interrupted_after(1)
    setting.state.text = to_text(replace(setting.remembered, target=Target("lake", "other")))
    with pytest.raises(StateFileError, match="is the state of another upload: /data/file to s3://lake/other"):
        setting.run()


@pytest.mark.parametrize("text", ["{", '{"penstock_upload": 99}'])
def test_a_state_that_cannot_be_read_is_refused_until_restart(setting: Setting, text: str) -> None:
    setting.state.text = text
    with pytest.raises(StateFileError):
        setting.run()
    assert setting.state.text == text
    setting.run(restart=True)
    assert setting.service.objects[TARGET].data == DATA
    assert "penstock uploads" in setting.progress.lines[0]


def test_restart_goes_on_if_the_old_upload_may_not_be_aborted(setting: Setting) -> None:
    setting.interrupted_after(1)
    setting.failing_at("abort", 0, AccessDeniedError("s3:AbortMultipartUpload on s3://lake/big")).run(restart=True)
    assert setting.service.objects[TARGET].data == DATA
    assert "s3:AbortMultipartUpload" in setting.progress.lines[0]


def test_an_upload_that_cannot_be_remembered_is_not_begun(setting: Setting) -> None:
    def refuse(text: str) -> None:
        raise FileError("No space left on device")

    setting.state.save = refuse  # type: ignore[method-assign]  # a full disk
    with pytest.raises(FileError, match="No space"):
        setting.run()
    assert setting.service.uploads == {}


def test_a_service_that_cannot_prove_the_whole_is_told_of_once() -> None:
    setting = Setting(proof=Proof.MD5)
    uploader = setting.uploader(threads=2)
    for _ in range(2):
        uploader.upload(UploadRequest(setting.file, TARGET, Content(), PART), setting.state)
    assert len(setting.progress.lines) == 1
    assert "MD5" in setting.progress.lines[0]


@pytest.mark.parametrize("data", [DATA, b"small"], ids=["large", "small"])
def test_a_file_that_stands_is_not_sent_again_by_the_same_command(data: bytes) -> None:
    setting = Setting(data)
    setting.run(keep_state=True)
    again = setting.run(keep_state=True)
    assert (again.sent, setting.service.sent, setting.progress.skipped) == (0, len(data), len(data))
    del setting.service.objects[TARGET]
    assert setting.run().sent == len(data)
    assert setting.state.text is None


def test_a_file_that_stood_and_has_changed_is_simply_sent() -> None:
    setting = Setting(b"small")
    setting.run(keep_state=True)
    setting.file = MemoryFile(b"other")
    assert setting.run(keep_state=True).sent == 5
    assert setting.service.objects[TARGET].data == b"other"


@pytest.mark.parametrize(("length", "fits"), [(1024, True), (1025, False)])
def test_a_key_that_s3_cannot_have_is_refused_first(setting: Setting, length: int, fits: bool) -> None:
    key = "ü" * (length // 2) + "x" * (length % 2)
    order = UploadRequest(setting.file, Target("lake", key), Content(), PART)
    uploader = setting.uploader(threads=1)
    if fits:
        assert uploader.upload(order, setting.state).size == len(DATA)
    else:
        with pytest.raises(RequestRefusedError, match="has 1,025 bytes; S3 allows 1,024"):
            uploader.upload(order, setting.state)
        assert setting.service.sent == 0


@pytest.mark.parametrize(
    "error",
    [ServiceUnavailableError("expired"), AccessDeniedError("s3:PutObject"), DestinationMissingError("NoSuchBucket")],
)
@pytest.mark.parametrize("operation", ["begin", "send", "complete"])
def test_after_every_error_the_same_command_goes_on(setting: Setting, operation: str, error: PenstockError) -> None:
    with pytest.raises(type(error)):
        setting.failing_at(operation, 0 if operation != "send" else 2, error).run()
    setting.service.before = lambda name: None
    setting.run()
    assert (setting.service.sent, setting.service.objects[TARGET].data) == (len(DATA), DATA)


@pytest.mark.parametrize("threads", [2, 5])
def test_the_first_error_stops_the_other_threads(threads: int) -> None:
    setting = Setting(os.urandom(20 * PART))
    with pytest.raises(ServiceUnavailableError):
        setting.failing_at("send", 4, ServiceUnavailableError("lost")).run(threads=threads)
    assert setting.service.sent <= (4 + threads) * PART


def test_memory_is_one_piece_a_thread_however_large_the_parts_are() -> None:
    setting = Setting()
    send: Callable[..., str] = setting.service.send
    buffers: set[int] = set()
    held: list[int] = []

    def noting(upload: object, number: int, body: Body, *, crc32: int, moved: Moved) -> str:
        for piece in body.pieces():
            buffers.add(id(piece.obj))
            held.append(memoryview(piece.obj).nbytes)
        return send(upload, number, body, crc32=crc32, moved=moved)

    setting.service.send = noting  # type: ignore[method-assign]  # looks on
    setting.run()
    assert (len(buffers), max(held)) == (1, PIECE)


@pytest.mark.parametrize("turn", [1, PART // PIECE, PART // PIECE + 1, 2 * PART // PIECE + 1])
def test_a_change_between_hashing_and_sending_is_told_and_publishes_nothing(setting: Setting, turn: int) -> None:
    reads = count(1)
    read_into = setting.file.read_into

    def reading(buffer: memoryview, offset: int) -> None:
        if next(reads) == turn:
            setting.file.data = DATA[::-1]
        read_into(buffer, offset)

    setting.file.read_into = reading  # type: ignore[method-assign]  # looks on
    with pytest.raises(FileChangedError):
        setting.run()
    assert not setting.service.objects
