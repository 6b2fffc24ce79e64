"""Every error that Penstock raises on purpose.

    PenstockError
    ├── RetryableError               the same call may succeed later; the message returns to the queue
    │   ├── ServiceUnavailableError  S3, DynamoDB or SQS throttled, failed or did not answer
    │   ├── JobInProgressError       another attempt holds the lease of this job
    │   ├── LeaseLostError           this attempt was taken over; its work is discarded
    │   ├── UploadInProgressError    another process uploads the same file to the same key
    │   ├── PublishConflictError     the destination changed while the result was being published
    │   │   └── UploadConflictError  this upload can no longer be completed: create a new one, upload all parts again
    │   ├── YieldedError             a newer version of the source is unfinished; its job runs first
    │   └── NotEnoughTimeError       this invocation is nearly over; a new one may succeed
    └── PermanentError               the same call fails again until something is changed
        ├── BadSourceError           the bytes are wrong; carries the byte offset in the source
        │   ├── BadHeaderError
        │   ├── CorruptSourceError
        │   ├── TruncatedSourceError
        │   ├── ChecksumMismatchError
        │   ├── CodecMismatchError   the content does not match its name or its route
        │   ├── HeaderRowError       column names that are missing, doubled or unreadable
        │   ├── UnclosedQuoteError   a quoted CSV field never ends, so the rest of the file became its text
        │   ├── BadDocumentError     the content is not valid JSON or not a valid workbook
        │   └── RecordsMissingError  no records at the path, or no sheet of the name, that the route says
        ├── ExpansionLimitError      the decoded size or ratio passed the route's ceiling
        ├── WorkbookTooLargeError    an XLSX that does not fit /tmp or memory
        ├── SupersededError          a newer version of the source decides the result
        │   ├── SourceGoneError
        │   └── SourceChangedError
        ├── AccessDeniedError        names the missing right
        ├── DestinationMissingError
        ├── InvalidTableError        what is declared of a table fits neither the file's header nor the table itself
        ├── TooManyRejectsError      more records were rejected than the route allows
        ├── AttemptsExhaustedError   the function was killed, or its event failed, as often as is allowed
        ├── IncompleteJobError       receipts, parts or bytes are missing when a job finishes
        ├── RequestRefusedError      the service refused the request for another reason
        ├── FileError                a local file or folder cannot be read or written
        │   ├── FileChangedError     another process wrote to it in the meantime
        │   ├── NameTakenError       a folder has the name that a file needs, or a file that of a folder
        │   └── DiskFullError
        ├── TimeLimitError           the work does not fit a whole invocation
        ├── OutputTooLargeError      more output than a multipart upload can hold
        ├── CorruptIndexError        the stored index is damaged
        ├── UnknownJobError          no job, or more than one, has that name
        ├── JobStandsError           the job cannot be redriven in its state
        ├── UnsortedListingError     a service promises sorted listings and sends others
        └── ConfigurationError
            ├── EmptySourceError     --delete would delete everything
            ├── StateFileError       what is kept of an interrupted upload is damaged, or of another Penstock
            ├── InvalidEventError
            ├── InvalidRouteError    names the route and the field
            └── DestinationLoopError the destination would trigger a route again

The state machine and the queue tell the two branches apart by class, never by text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "AccessDeniedError",
    "AttemptsExhaustedError",
    "BadDocumentError",
    "BadHeaderError",
    "BadSourceError",
    "ChecksumMismatchError",
    "CodecMismatchError",
    "ConfigurationError",
    "CorruptIndexError",
    "CorruptSourceError",
    "DestinationLoopError",
    "DestinationMissingError",
    "DiskFullError",
    "EmptySourceError",
    "ExpansionLimitError",
    "FileChangedError",
    "FileError",
    "HeaderRowError",
    "IncompleteJobError",
    "InvalidEventError",
    "InvalidRouteError",
    "InvalidTableError",
    "JobInProgressError",
    "JobStandsError",
    "LeaseLostError",
    "NameTakenError",
    "NotEnoughTimeError",
    "OutputTooLargeError",
    "PenstockError",
    "PermanentError",
    "PublishConflictError",
    "RecordsMissingError",
    "RequestRefusedError",
    "RetryableError",
    "ServiceUnavailableError",
    "SourceChangedError",
    "SourceGoneError",
    "StateFileError",
    "SupersededError",
    "TimeLimitError",
    "TooManyRejectsError",
    "TruncatedSourceError",
    "UnclosedQuoteError",
    "UnknownJobError",
    "UnsortedListingError",
    "UploadConflictError",
    "UploadInProgressError",
    "WorkbookTooLargeError",
    "YieldedError",
]


class PenstockError(Exception):
    """Base of all. ``hint`` says what to do about it; empty where the message does."""

    default_hint = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def __str__(self) -> str:
        return self.message


@contextmanager
def noting(first: PenstockError, what: str, failures: type[PenstockError] = PenstockError) -> Iterator[None]:
    """An error on the way of ``first`` becomes a note of it: the first one tells what is wrong."""
    try:
        yield
    except failures as failed:
        first.add_note(f"{what}: {failed}")


class RetryableError(PenstockError):
    """Trying again, unchanged, may succeed."""


class PermanentError(PenstockError):
    """Trying again, unchanged, fails again."""


class ServiceUnavailableError(RetryableError):
    default_hint = "The service throttled or failed beyond all retries; the message will be tried again."


class JobInProgressError(RetryableError):
    """Another attempt holds the lease; ``retry_after`` is the seconds until it may be taken over."""

    default_hint = "The attempt that holds the lease finishes the job; this copy of the event then does nothing."

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class LeaseLostError(RetryableError):
    default_hint = "Another attempt took the job over; nothing of this one was published."


class UploadInProgressError(RetryableError):
    default_hint = "Wait until it ends, or end it; then run the same command again."


class PublishConflictError(RetryableError):
    default_hint = "Something else wrote the destination at the same moment; the job will be tried again."


class UploadConflictError(PublishConflictError):
    pass


class YieldedError(RetryableError):
    """``newer`` is the job of the newer version."""

    default_hint = "Nothing to do: the job begins again by itself should the newer one fail."

    def __init__(self, message: str, *, newer: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.newer = newer


class NotEnoughTimeError(RetryableError):
    default_hint = "Another message of the same batch used the time; this one returns to the queue."


class BadSourceError(PermanentError):
    """The source's bytes are wrong.

    ``offset`` counts bytes from the start of the source, of the encoded one for codecs and of the decoded one for
    parsers; ``source`` is its URI once it is known: codecs and parsers know only offsets, the pipeline adds the name.
    """

    default_hint = "Ask the sender for a fresh copy and upload it again under the same key."

    def __init__(self, reason: str, *, offset: int, source: str = "", hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.offset = offset
        self.source = source

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        return f"{where}{self.message} (at byte {self.offset:,})"


class BadHeaderError(BadSourceError):
    pass


class CorruptSourceError(BadSourceError):
    pass


class TruncatedSourceError(BadSourceError):
    default_hint = "The upload to the source bucket was cut short; upload the whole file again."


class ChecksumMismatchError(BadSourceError):
    pass


class CodecMismatchError(BadSourceError):
    default_hint = "Rename the object to what it holds, or set the route's codec."


class HeaderRowError(BadSourceError):
    default_hint = "Correct the header row, or name the columns in the route (parse.columns)."


class UnclosedQuoteError(BadSourceError):
    default_hint = "Close the quote, double it where it is text, or set another parse.quote in the route."


class BadDocumentError(BadSourceError):
    pass


class RecordsMissingError(BadSourceError):
    default_hint = "Correct parse.records or parse.sheet of the route, or the file."


class ExpansionLimitError(PermanentError):
    default_hint = "If the file is honest, raise max_ratio or max_bytes of the route."


class WorkbookTooLargeError(PermanentError):
    default_hint = "Give the function more memory and more /tmp (EphemeralStorage), or send CSV instead of XLSX."


class SupersededError(PermanentError):
    default_hint = "The job of the newer event decides the result. If that job failed, redrive it."


class SourceGoneError(SupersededError):
    default_hint = "The source was deleted before it was read; upload it again if that was not meant."


class SourceChangedError(SupersededError):
    pass


class AccessDeniedError(PermanentError):
    """``right`` is the missing IAM action and resource, or the database privilege and object."""

    def __init__(self, right: str, *, detail: str = "", hint: str = "") -> None:
        super().__init__(
            f"access denied: {right}" + (f" ({detail})" if detail else ""),
            hint=hint or f"Grant {right} to the function's role, in its IAM policy and in the bucket or key policy.",
        )
        self.right = right


class DestinationMissingError(PermanentError):
    default_hint = "Create the destination bucket, or correct the route's destination."


class InvalidTableError(PermanentError):
    default_hint = "Correct the route's columns, or the table, or the file's header."


class TooManyRejectsError(PermanentError):
    default_hint = "Mend the records that are listed and upload the file again, or raise the route's max_rejects."


class AttemptsExhaustedError(PermanentError):
    default_hint = (
        "The function's log says how each attempt ended. Give it more memory or time, then begin the job again: "
        "`penstock redrive`."
    )


class IncompleteJobError(PermanentError):
    default_hint = "Start the job again (penstock redrive); nothing of it was published."


class RequestRefusedError(PermanentError):
    pass


class FileError(PermanentError):
    pass


class FileChangedError(FileError):
    default_hint = "Run the command again once nobody writes to the file."


class NameTakenError(FileError):
    default_hint = "Move away what stands there; sync --delete deletes it where the source has not got it."


class DiskFullError(FileError):
    default_hint = "Make room and run the command again: what has arrived stays, and is not fetched twice."


class TimeLimitError(PermanentError):
    default_hint = "Give the function more memory (CPU grows with it) or a longer timeout, or send smaller files."


class OutputTooLargeError(PermanentError):
    default_hint = "Give the function more memory: parts grow with it."


class CorruptIndexError(PermanentError):
    default_hint = "Delete the source's index from the work bucket: the next job makes it anew."


class UnknownJobError(PermanentError):
    default_hint = "`penstock jobs` lists those that there are."


class JobStandsError(PermanentError):
    default_hint = "To do it all the same, upload the source again: that is a new job."


class UnsortedListingError(PermanentError):
    default_hint = "Nothing was deleted. Report the service and the kind of bucket to Penstock's authors."


class ConfigurationError(PermanentError):
    pass


class EmptySourceError(ConfigurationError):
    """``count`` files would be deleted."""

    default_hint = "Check the source's name. If all is to be deleted, give --force."

    def __init__(self, message: str, *, count: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.count = count


class StateFileError(ConfigurationError):
    default_hint = "Begin anew with --restart; `penstock uploads s3://bucket/key` lists what an earlier run has left."


class InvalidEventError(ConfigurationError):
    default_hint = "Expected an S3 notification, an SQS batch of them or an EventBridge 'Object Created' event."


class InvalidRouteError(ConfigurationError):
    pass


class DestinationLoopError(InvalidRouteError):
    default_hint = "Send the output to another bucket, or to a prefix that no route matches."
