"""What the bytes of a file are, part by part, and whether a service has the same."""

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
    """Whether a part that stands is made of these bytes: by its CRC32 where it is listed, else by its ETag.

    An ETag is the MD5 of the part, but not under SSE-KMS or SSE-C.
    """
    if part.size != len(body):
        return False
    if part.crc32 is not None:
        return part.crc32 == crc32
    return part.etag == md5_of(body).hex()


def same_object(existing: ExistingObject, source: LocalSource, plan: FileParts, threads: int) -> int | None:
    """The CRC32 of the file if an object is made of its bytes, by its own CRC32 or by the ETag of these parts; else
    None. Reads the whole file.

    The ETag of parts is the MD5 of their MD5s, https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html.
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
    whole = md5(b"".join(digests[number] for number in sorted(digests)), usedforsecurity=False)
    same = existing.crc32 == crc32 or existing.etag == f"{whole.hexdigest()}-{plan.count}"
    return crc32 if same else None


def joined(parts: list[SentPart]) -> int:
    """CRC32 of the bytes of all parts, in the order of their numbers."""
    whole = 0
    for part in sorted(parts, key=lambda part: part.number):
        whole = crc32_combine(whole, part.crc32, part.size)
    return whole
