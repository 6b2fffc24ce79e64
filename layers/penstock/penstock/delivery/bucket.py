"""Deliver one claimed source to a bucket."""

from __future__ import annotations

from dataclasses import dataclass, replace

from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import pour
from penstock.delivery.ports import ObjectStore
from penstock.destinations.bucket.result_metadata import describe, publish_rule
from penstock.errors import PublishConflictError, UploadConflictError
from penstock.limits import Budget
from penstock.model.job import Receipt
from penstock.model.object import Target
from penstock.routes import check_target

# If another writer changes the destination more often than this during one job, the job fails.
UPLOADS = 20


@dataclass(frozen=True, slots=True)
class BucketDelivery:
    """Decodes a source into an object of a bucket. Memory: that of `pour`.

    If S3 refuses to complete the upload, a new upload sends all parts again, as long as the time left allows it.
    """

    objects: ObjectStore
    budget: Budget

    def __call__(self, attempt: Attempt) -> Receipt:
        job = attempt.job
        target = job.need_object()
        attempt.routes.refuse_loop(job.route, job.source, target)
        check_target(job.route, target)
        if attempt.number > 1:
            self.objects.sweep(target)
        for _ in range(UPLOADS):
            before = attempt.deadline.remaining()
            try:
                return self._upload(attempt, target)
            except UploadConflictError:
                left = attempt.deadline.remaining()
                if not attempt.rereadable or left - attempt.margin < before - left:
                    raise
        raise PublishConflictError(f"{target.uri} changed during each of {UPLOADS} uploads")

    def _upload(self, attempt: Attempt, target: Target) -> Receipt:
        job = attempt.job
        content, warnings = describe(job, target, attempt.head)
        rule, record = publish_rule(job), attempt.record_upload
        with self.objects.open_sink(target, content, rule, record, is_new=attempt.is_new) as sink:
            receipt = pour(
                job.source,
                self.objects.open_source(job.source),
                job.route,
                sink,
                budget=self.budget,
                heartbeat=attempt.heartbeat,
                deadline=attempt.deadline,
                margin=attempt.margin,
                before_publishing=attempt.check_publishing,
                stored=attempt.head.crc32,
            )
        return replace(receipt, warnings=receipt.warnings + warnings)
