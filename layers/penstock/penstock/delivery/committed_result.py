"""What a job has published itself: looked for before anything else can fail."""

from __future__ import annotations

from penstock.codecs import codec_by_name
from penstock.delivery.ports import ObjectStore
from penstock.destinations.bucket.result_metadata import MADE_BY
from penstock.model.job import Receipt
from penstock.model.object import ObjectHead, Target


def own_result(objects: ObjectStore, job_id: str, target: Target | None, *, source: str, size: int) -> Receipt | None:
    """What is known of a job's object, if it stands; ``source`` and ``size`` are those of what it was made from."""
    head = objects.head(target.bucket, target.key) if target else None
    if head is None or head.metadata.get(MADE_BY) != job_id:
        return None
    return _receipt(head, source, size)


def _receipt(head: ObjectHead, source: str, size: int) -> Receipt:
    """As far as the head of the object and the name of its source tell."""
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
