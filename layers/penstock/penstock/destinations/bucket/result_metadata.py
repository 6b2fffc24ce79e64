"""The metadata of the objects that jobs write, and the rule which objects a job may replace."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from urllib.parse import quote

from penstock.codecs import strip_suffix
from penstock.destinations.ports import PublishRule, Verdict
from penstock.limits import S3
from penstock.model.identity import digest
from penstock.model.job import Job
from penstock.model.object import LISTED_SIGN, Content, ObjectHead, Source, Target

# User metadata of every result: the job that wrote it, its source, and the order in which S3 received the source.
MADE_BY = "penstock-job"
MADE_FROM = "penstock-from"
ORDER = "penstock-order"
SOURCE = "penstock-source"


def publish_rule(job: Job) -> PublishRule:
    """The rule of a job for the object at its destination.

    A result of the same source, from a version that S3 received later, is kept. Any other object is replaced, as a copy
    would replace it. The result of a version that a listing has found, without a sequencer, is kept from versions that
    are not the current one.
    """

    def rule(existing: Mapping[str, str]) -> Verdict:
        if existing.get(MADE_BY) == job.id:
            return Verdict.DUPLICATE
        same_source = existing.get(MADE_FROM) == origin(job.source)
        order = existing.get(ORDER, "")
        if same_source and (order > job.source.order or (LISTED_SIGN in order and job.source.noncurrent)):
            return Verdict.SUPERSEDED
        return Verdict.REPLACE

    return rule


def known_order(job: Job, existing: ObjectHead | None) -> str:
    """Return the order of a result of the same source; empty if the object is another one."""
    if existing is None or existing.metadata.get(MADE_FROM) != origin(job.source):
        return ""
    return existing.metadata.get(ORDER, "")


def origin(source: Source) -> str:
    """The series of a source as 32 hex digits, because a key may not fit into metadata."""
    return digest(*source.series)


def describe(job: Job, target: Target, head: ObjectHead) -> tuple[Content, tuple[str, ...]]:
    """The content type and the metadata of the result, and warnings.

    The content type follows from the name without its suffix. The metadata is Penstock's, the sender's, and the name of
    the source. S3 allows 2 KiB of user metadata: if it does not fit, the name of the source is left out, then the
    sender's.
    """
    guessed, encoding = mimetypes.guess_type(strip_suffix(target.key))
    content_type = guessed if guessed and not encoding else "application/octet-stream"
    ours = {MADE_BY: job.id, MADE_FROM: origin(job.source), ORDER: job.source.order}
    theirs = {name: value for name, value in head.metadata.items() if not name.startswith("penstock-")}
    named = {SOURCE: quote(job.source.uri, safe=":/")}
    if _metadata_bytes(ours | theirs | named) <= S3.max_metadata:
        return Content(content_type, ours | theirs | named), ()
    if _metadata_bytes(ours | theirs) <= S3.max_metadata:
        return Content(content_type, ours | theirs), ()
    return Content(content_type, ours | named if _metadata_bytes(ours | named) <= S3.max_metadata else ours), (
        f"the source's user metadata was left out: with Penstock's own it would exceed {S3.max_metadata:,} bytes",
    )


def _metadata_bytes(metadata: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
