"""Translates errors of AWS into Penstock's errors, by error code, status or exception class, never by text."""

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

# The response did not arrive, or was incomplete. botocore does not wrap all of urllib3's errors while a body is read,
# such as a truncated TLS record: hence urllib3's own class.
TRANSPORT_FAILURES = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.CapacityNotAvailableError,
    HTTPError,
)

# 5xx and 429 need no entry; these are the codes that AWS also sends with a 4xx status.
# BadDigest and the checksum mismatches mean that bytes were damaged between this process and S3: a retry resends them.
_UNAVAILABLE = frozenset(
    {
        "BadDigest",
        "BandwidthLimitExceeded",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceException",
        "LimitExceededException",
        "OperationAborted",
        "OperationTimeoutException",
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
        "TemporaryRedirect",  # the name of a new bucket is not known everywhere yet
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
# A HEAD response has no body: botocore then returns the status as the code. AuthorizationError and KMSAccessDenied are
# those of SNS.
_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthorizationError",
        "AuthorizationErrorException",
        "Forbidden",
        "KMSAccessDenied",
    }
)
# Credentials that expired during the work. Those of a function are renewed, so the next attempt has valid ones. S3, STS
# and query services return ExpiredToken; DynamoDB, SQS and Secrets Manager return ExpiredTokenException.
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
# S3 returns 405 for a version that is a delete marker.
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
# 416: the pinned object had these bytes. 409: two conditional writes collided. NoSuchUpload: the upload was ended.
_CHANGED = frozenset({"412", "416", "ConditionalRequestConflict", "InvalidRange", "NoSuchUpload", "PreconditionFailed"})

# The bucket is in another region, and the redirection was not followed: botocore follows one, and remembers it.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html
WRONG_REGION = frozenset(
    {"301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)

# Codes by which services refuse an unknown header. Status 501 is treated alike.
_UNKNOWN_HEADER = frozenset({"InvalidArgument", "InvalidRequest", "MalformedXML", "NotImplemented"})

_UNSUPPORTED_HINT = "The service does not support this request. Use another service, or ask its vendor."
_EXPIRED_HINT = "The credentials expired. The message will be retried with the renewed credentials of the function."
_REGION_HINT = (
    "The functions must reach S3 in that region: an endpoint of a VPC reaches its own region only. Or use a bucket in "
    "the region of the stack."
)
_CREDENTIALS_HINT = "Provide or renew AWS credentials and region. On Lambda, check the function's role."


def code_of(error: boto.ClientError) -> str:
    """Return the error code of a response; for a response without a body (HEAD), the HTTP status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: boto.ClientError) -> int:
    """Return the HTTP status of a response, or 0 if there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def region_of(error: boto.ClientError) -> str:
    """Return the region of the bucket that a response names; empty if it names none."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    named = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    return str(named or "")


def is_unsupported(error: boto.ClientError) -> bool:
    """Whether the service does not support the request: a retry fails too."""
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
    ``missing`` creates the error for a resource that does not exist, ``changed`` the error for a failed precondition.

    Raises ServiceUnavailableError for throttling, 5xx, timeouts, lost connections and expired credentials,
    AccessDeniedError, ConfigurationError for invalid credentials, ``missing``, ``changed``, and RequestRefusedError for
    any other refusal.
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
        # Nothing was sent: credentials or region are missing, or profile or endpoint are invalid.
        raise ConfigurationError(f"{right}: {error}", hint=_CREDENTIALS_HINT) from error


def _answered(  # noqa: PLR0911  # a table of responses
    error: boto.ClientError, right: str, missing: ErrorFactory, changed: ErrorFactory
) -> PenstockError:
    code = code_of(error)
    status = status_of(error)
    detail = error.response.get("Error", {}).get("Message", "")
    message = f"{right}: {code}: {detail}" if detail else f"{right}: {code}"
    if is_unsupported(error):
        return RequestRefusedError(f"{message} (not supported)", hint=_UNSUPPORTED_HINT)
    if code in _UNAVAILABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return ServiceUnavailableError(message)
    if code in _EXPIRED:
        return ServiceUnavailableError(message, hint=_EXPIRED_HINT)
    if code in _DENIED:
        return AccessDeniedError(right, detail=detail)
    if code in _NO_CREDENTIALS:
        return ConfigurationError(message, hint=_CREDENTIALS_HINT)
    if code in WRONG_REGION:
        region = region_of(error)
        return RequestRefusedError(
            f"{right}: the bucket is in {region or 'another region'} ({code})", hint=_REGION_HINT
        )
    if code in _MISSING:
        return missing(message)
    if code in _CHANGED or status == HTTPStatus.PRECONDITION_FAILED:
        return changed(message)
    return RequestRefusedError(message)
