"""Compare the parts of a local file with the parts and objects of a service."""

from __future__ import annotations

from hashlib import md5
from threading import Lock

from penstock.aws.s3.body import PIECE, FileBody, md5_of
from penstock.aws.s3.body_port import Body
from penstock.codecs.checksum import crc32 as crc32_of_bytes
from penstock.codecs.checksum import crc32_combine
from penstock.model.upload import ExistingObject, ExistingPart, SentPart
from penstock.upload.parts import FileParts
from penstock.upload.ports import LocalSource
from penstock.upload.worker_pool import Buffer, WorkerPool


def same_part(part: ExistingPart, body: Body, crc32: int) -> bool:
    """Whether an uploaded part holds these bytes: by its CRC32 if it is listed, otherwise by its ETag.

    The ETag is the MD5 of the part, except under SSE-KMS and SSE-C.
    """
    if part.size != len(body):
        return False
    if part.crc32 is not None:
        return part.crc32 == crc32
    return part.etag == md5_of(body).hex()


def same_object(existing: ExistingObject, source: LocalSource, plan: FileParts, threads: int) -> int | None:
    """Return the CRC32 of the file if an object holds the same bytes, otherwise None. Reads the complete file.

    The object is compared by its CRC32, or by the ETag of these parts. A multipart ETag is the MD5 of the parts' MD5s,
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html.
    """
    if existing.size != plan.size:
        return None
    digests: dict[int, bytes] = {}
    parts: list[SentPart] = []
    lock = Lock()

    def work(number: int, buffer: Buffer) -> None:
        body = FileBody(source.read_into, plan.offset(number), plan.length(number), buffer.of(PIECE))
        crc32, digest = 0, md5(usedforsecurity=False)
        for piece in body.pieces():
            crc32 = crc32_of_bytes(piece, crc32)
            digest.update(piece)
        with lock:
            digests[number] = digest.digest()
            parts.append(SentPart(number, len(body), "", crc32))

    WorkerPool(min(threads, plan.count)).run(work, range(1, plan.count + 1))
    crc32 = joined(parts)
    combined = md5(b"".join(digests[number] for number in sorted(digests)), usedforsecurity=False)
    same = existing.crc32 == crc32 or existing.etag == f"{combined.hexdigest()}-{plan.count}"
    return crc32 if same else None


def joined(parts: list[SentPart]) -> int:
    """Combine the CRC32s of all parts, in the order of their numbers."""
    combined = 0
    for part in sorted(parts, key=lambda part: part.number):
        combined = crc32_combine(combined, part.crc32, part.size)
    return combined
