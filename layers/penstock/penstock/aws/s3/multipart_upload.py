"""A multipart upload that sends its parts in parallel, with its own threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from penstock.aws.s3.conditions import Condition
from penstock.aws.s3.part_buffers import PartBuffer
from penstock.aws.s3.writer import Part, abort_upload, complete_upload, upload_part
from penstock.model.object import Published, Target
from penstock.model.upload import Proof

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class MultipartUpload:
    """An open multipart upload and the threads that send its parts.

    ``give_back`` receives every buffer after use, whether it was sent or not. The first error of a part is raised.
    """

    def __init__(
        self,
        client: S3Client,
        target: Target,
        upload_id: str,
        threads: int,
        give_back: Callable[[PartBuffer], None],
        *,
        proof: Proof = Proof.CRC32,
    ) -> None:
        self._proof = proof
        self._client = client
        self._target = target
        self._id = upload_id
        self._give_back = give_back
        self._parts: list[Part] = []
        self._errors: list[BaseException] = []
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="s3-part")

    def send(self, number: int, buffer: PartBuffer) -> None:
        """Upload a part in the background."""
        part = self._threads.submit(self._upload, number, buffer.body(), buffer.crc32)
        part.add_done_callback(partial(self._done, buffer))

    def check(self) -> None:
        """Raise the first error of a part."""
        if self._errors:
            raise self._errors[0]

    def join(self) -> list[Part]:
        """Wait for all parts, and return them in order. Raises the first error of a part."""
        self._threads.shutdown()
        self.check()
        return sorted(self._parts)

    def complete(self, condition: Condition, *, parts: list[Part], size: int, crc32: int) -> Published | None:
        """Complete under a condition. Returns None if it does not hold, or if the upload no longer exists."""
        return complete_upload(
            self._client, self._target, self._id, condition, parts=parts, size=size, crc32=crc32, proof=self._proof
        )

    def stop(self) -> None:
        """Cancel the waiting parts, and wait for the parts in progress."""
        self._threads.shutdown(cancel_futures=True)

    def abort(self) -> None:
        """Abort after the parts in progress have ended: a part that ends later would be stored and billed."""
        self.stop()
        abort_upload(self._client, self._target, self._id)

    def _upload(self, number: int, body: bytearray, crc32: int) -> Part:
        return upload_part(
            self._client, self._target, self._id, number=number, body=body, crc32=crc32, proof=self._proof
        )

    def _done(self, buffer: PartBuffer, part: Future[Part]) -> None:
        if not part.cancelled():
            error = part.exception()
            if error:
                self._errors.append(error)
            else:
                self._parts.append(part.result())
        self._give_back(buffer)
