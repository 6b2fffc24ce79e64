"""Sending what comes out of a pipe, in small parts, under limits that allow them."""

from __future__ import annotations

import io
import os

import pytest

from penstock.errors import RequestRefusedError, ServiceUnavailableError
from penstock.limits import KIB, PartPlan, S3Limits
from penstock.model.object import Content, Target
from penstock.testing.upload import KeptProgress, MemoryUploadService
from penstock.upload.parts import StreamPlan
from penstock.upload.stream import ReadInto, upload_stream
from penstock.upload.uploader import UploadResult

PART = 64 * KIB
SMALL_PARTS = S3Limits(min_part=PART)
DATA = os.urandom(5 * PART)
TARGET = Target("lake", "pipe")
PLAN = PartPlan(first=PART, largest=2 * PART, growth=1, s3=SMALL_PARTS)


def lake() -> MemoryUploadService:
    return MemoryUploadService("lake", s3=SMALL_PARTS)


def send(service: MemoryUploadService, read_into: ReadInto, threads: int = 3, plan: PartPlan = PLAN) -> UploadResult:
    return upload_stream(
        read_into, TARGET, Content(), service=service, progress=KeptProgress(), plan=StreamPlan(plan, threads)
    )


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 1, 5 * PART])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_stream_of_any_length_becomes_the_object(size: int, threads: int) -> None:
    service = lake()
    sent = send(service, io.BytesIO(DATA[:size]).readinto, threads)
    assert service.objects[TARGET].data == DATA[:size]
    assert (sent.size, service.uploads) == (size, {})


def test_a_short_stream_is_one_put() -> None:
    assert send(lake(), io.BytesIO(b"short").readinto).parts == 0


def test_parts_grow_as_the_stream_goes_on() -> None:
    assert send(lake(), io.BytesIO(DATA).readinto).parts == 3


@pytest.mark.parametrize("error", [ServiceUnavailableError("lost"), KeyboardInterrupt()])
def test_whatever_interrupts_it_leaves_nothing_behind(error: BaseException) -> None:
    service = lake()

    def fail(operation: str) -> None:
        if operation == "complete":
            raise error

    service.before = fail
    with pytest.raises(type(error)):
        send(service, io.BytesIO(DATA).readinto)
    assert (service.uploads, service.objects) == ({}, {})


def test_an_abort_that_fails_does_not_hide_why_it_was_tried() -> None:
    service = lake()

    def fail(operation: str) -> None:
        if operation in ("send", "abort"):
            raise ServiceUnavailableError(f"{operation} failed")

    service.before = fail
    with pytest.raises(ServiceUnavailableError, match="send failed") as failed:
        send(service, io.BytesIO(DATA).readinto)
    assert failed.value.__notes__ == ["the upload could not be aborted: abort failed"]


def test_a_key_that_s3_cannot_have_is_refused_before_the_stream_is_read() -> None:
    with pytest.raises(RequestRefusedError):
        upload_stream(
            lambda view: pytest.fail("was read"),
            Target("lake", "k" * 1025),
            Content(),
            service=lake(),
            progress=KeptProgress(),
            plan=StreamPlan(PLAN, 1),
        )
