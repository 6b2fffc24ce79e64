"""What AWS answers, in Penstock's words. Decided by error code, status or exception class, never by text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeAlias

from botocore import exceptions as boto
from urllib3.exceptions import HTTPError

from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    PenstockError,
    PublishConflictError,
    RequestRefusedError,
    ServiceUnavailableError,
)

ErrorFactory: TypeAlias = Callable[[str], PenstockError]

# The answer did not arrive, or not whole. urllib3's own class stands for what botocore lets through while a body
# is read, such as a TLS record that was cut.
TRANSPORT_FAILURES = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.CapacityNotAvailableError,
    HTTPError,
)

# 5xx and 429 need no entry; these are the codes that AWS also sends with a 4xx status.
# BadDigest and its kin say that bytes were damaged between this process and S3: sent again, they arrive.
_UNAVAILABLE = frozenset(
    {
        "BadDigest",
        "BandwidthLimitExceeded",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "OperationAborted",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
# A HEAD answer has no body: botocore then gives the status for the code.
_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "Forbidden"})
# Credentials that were good when the work began: a function's are renewed, so the next attempt has others. S3, STS and
# query services say ExpiredToken; DynamoDB, SQS and Secrets Manager ExpiredTokenException.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_NO_CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
# 405 is what S3 answers for a version that is a delete marker.
_MISSING = frozenset(
    {
        "404",
        "405",
        "AWS.SimpleQueueService.NonExistentQueue",
        "MethodNotAllowed",
        "NoSuchBucket",
        "NoSuchKey",
        "NoSuchVersion",
        "NotFound",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
    }
)
# 416: the pinned object had these bytes. 409: a conditional write met another. NoSuchUpload: someone else ended it.
_CHANGED = frozenset({"412", "416", "ConditionalRequestConflict", "InvalidRange", "NoSuchUpload", "PreconditionFailed"})

# How services refuse a header that they do not know; so is status 501.
_UNKNOWN_HEADER = frozenset({"InvalidArgument", "InvalidRequest", "MalformedXML", "NotImplemented"})

_UNSUPPORTED_HINT = "The service does not support this request: use another service, or ask its makers."
_EXPIRED_HINT = "The credentials ran out; the message will be tried again, with those that the function has by then."
_CREDENTIALS_HINT = "Provide or renew AWS credentials and region; on Lambda, check the function's role."


def code_of(error: boto.ClientError) -> str:
    """The error code of an answer; for one without a body (HEAD) the HTTP status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: boto.ClientError) -> int:
    """The HTTP status of an answer, 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_unsupported(error: boto.ClientError) -> bool:
    """Whether the service says that it cannot do this at all: trying again changes nothing."""
    return code_of(error) == "NotImplemented" or status_of(error) == HTTPStatus.NOT_IMPLEMENTED


def may_be_unknown_header(error: boto.ClientError) -> bool:
    """Whether the same request without a newer header may succeed."""
    return code_of(error) in _UNKNOWN_HEADER or is_unsupported(error)


@contextmanager
def translating(
    right: str, *, missing: ErrorFactory = RequestRefusedError, changed: ErrorFactory = PublishConflictError
) -> Iterator[None]:
    """Raise Penstock's errors for botocore's.

    ``right`` is the action and the resource, such as ``s3:PutObject on s3://bucket/key``; it begins every message.
    ``missing`` makes the error for what does not exist, ``changed`` the one for a failed precondition.

    Raises ServiceUnavailableError for throttling, 5xx, timeouts, lost connections and credentials that expired,
    AccessDeniedError, ConfigurationError for credentials that are none, ``missing``, ``changed``, and
    RequestRefusedError for any other refusal.
    """
    try:
        yield
    except boto.ClientError as error:
        raise _answered(error, right, missing, changed) from error
    except TRANSPORT_FAILURES as error:
        raise ServiceUnavailableError(f"{right}: {error}") from error
    except boto.ParamValidationError as error:
        raise RequestRefusedError(f"{right}: {' '.join(str(error).split())}") from error
    except boto.BotoCoreError as error:
        # Nothing was sent: no credentials, no region, no such profile, an endpoint that is none.
        raise ConfigurationError(f"{right}: {error}", hint=_CREDENTIALS_HINT) from error


def _answered(  # noqa: PLR0911  # a table of answers
    error: boto.ClientError, right: str, missing: ErrorFactory, changed: ErrorFactory
) -> PenstockError:
    code = code_of(error)
    status = status_of(error)
    said = error.response.get("Error", {}).get("Message", "")
    message = f"{right}: {code}: {said}" if said else f"{right}: {code}"
    if is_unsupported(error):
        return RequestRefusedError(f"{message} (not supported)", hint=_UNSUPPORTED_HINT)
    if code in _UNAVAILABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return ServiceUnavailableError(message)
    if code in _EXPIRED:
        return ServiceUnavailableError(message, hint=_EXPIRED_HINT)
    if code in _DENIED:
        return AccessDeniedError(right, detail=said)
    if code in _NO_CREDENTIALS:
        return ConfigurationError(message, hint=_CREDENTIALS_HINT)
    if code in _MISSING:
        return missing(message)
    if code in _CHANGED or status == HTTPStatus.PRECONDITION_FAILED:
        return changed(message)
    return RequestRefusedError(message)
