"""Find the object that a job has already published. This check comes before anything that can fail."""

from __future__ import annotations

from penstock.codecs import codec_by_name
from penstock.delivery.ports import ObjectStore
from penstock.destinations.bucket.result_metadata import MADE_BY
from penstock.model.job import Receipt
from penstock.model.object import ObjectHead, Target


def own_result(objects: ObjectStore, job_id: str, target: Target | None, *, source: str, size: int) -> Receipt | None:
    """Return the receipt of a job's object, if it exists; ``source`` and ``size`` are those of the job's source."""
    head = objects.head(target.bucket, target.key) if target else None
    if head is None or head.metadata.get(MADE_BY) != job_id:
        return None
    return _receipt(head, source, size)


def _receipt(head: ObjectHead, source: str, size: int) -> Receipt:
    """Create a receipt from the head of the object and the name of its source."""
    return Receipt(
        bytes_in=size,
        bytes_out=head.size,
        crc32=head.crc32 or 0,
        parts=0,
        codec=codec_by_name(source),
        etag=head.etag,
        version_id=head.version_id,
        warnings=("the result was published, then the job was interrupted",),
    )
