"""Every answer of AWS becomes the error that says what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore import exceptions as boto
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse
from urllib3.exceptions import SSLError

from penstock.aws.errors import translating
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    DestinationMissingError,
    PenstockError,
    PublishConflictError,
    RequestRefusedError,
    RetryableError,
    ServiceUnavailableError,
    SourceChangedError,
    SourceGoneError,
)

RIGHT = "s3:PutObject on s3://lake/out.csv"


def answered(code: str, status: int, message: str = "as AWS puts it") -> boto.ClientError:
    return boto.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # the rest of the metadata does not matter here
        "SomeOperation",
    )


def translated(error: Exception, **factories: type[PenstockError]) -> PenstockError:
    with pytest.raises(PenstockError) as caught, translating(RIGHT, **factories):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


ANSWERS = [
    ("SlowDown", 503, ServiceUnavailableError),
    ("ServiceUnavailable", 503, ServiceUnavailableError),
    ("InternalError", 500, ServiceUnavailableError),
    ("InternalError", 200, ServiceUnavailableError),
    ("500", 500, ServiceUnavailableError),
    ("502", 502, ServiceUnavailableError),
    ("503", 503, ServiceUnavailableError),
    ("504", 504, ServiceUnavailableError),
    ("", 503, ServiceUnavailableError),
    ("SomethingNew", 500, ServiceUnavailableError),
    ("SomethingNew", 429, ServiceUnavailableError),
    ("RequestTimeout", 400, ServiceUnavailableError),
    ("Throttling", 400, ServiceUnavailableError),
    ("ThrottlingException", 400, ServiceUnavailableError),
    ("ProvisionedThroughputExceededException", 400, ServiceUnavailableError),
    ("RequestLimitExceeded", 400, ServiceUnavailableError),
    ("OperationAborted", 409, ServiceUnavailableError),
    ("BadDigest", 400, ServiceUnavailableError),
    ("XAmzContentChecksumMismatch", 400, ServiceUnavailableError),
    ("AccessDenied", 403, AccessDeniedError),
    ("AuthorizationError", 403, AccessDeniedError),
    ("AccessDeniedException", 400, AccessDeniedError),
    ("403", 403, AccessDeniedError),
    ("AllAccessDisabled", 403, AccessDeniedError),
    ("ExpiredToken", 400, ServiceUnavailableError),
    ("ExpiredToken", 403, ServiceUnavailableError),
    ("ExpiredTokenException", 400, ServiceUnavailableError),
    ("RequestExpired", 400, ServiceUnavailableError),
    ("TokenRefreshRequired", 400, ServiceUnavailableError),
    ("InvalidToken", 400, ConfigurationError),
    ("InvalidClientTokenId", 403, ConfigurationError),
    ("RequestTimeTooSkewed", 403, ConfigurationError),
    ("InvalidAccessKeyId", 403, ConfigurationError),
    ("SignatureDoesNotMatch", 403, ConfigurationError),
    ("UnrecognizedClientException", 400, ConfigurationError),
    ("NoSuchBucket", 404, DestinationMissingError),
    ("NoSuchKey", 404, DestinationMissingError),
    ("NoSuchVersion", 404, DestinationMissingError),
    ("404", 404, DestinationMissingError),
    ("MethodNotAllowed", 405, DestinationMissingError),
    ("ResourceNotFoundException", 400, DestinationMissingError),
    ("PreconditionFailed", 412, SourceChangedError),
    ("412", 412, SourceChangedError),
    ("InvalidRange", 416, SourceChangedError),
    ("ConditionalRequestConflict", 409, SourceChangedError),
    ("NoSuchUpload", 404, SourceChangedError),
    ("InvalidObjectState", 403, RequestRefusedError),
    ("EntityTooSmall", 400, RequestRefusedError),
    ("MetadataTooLarge", 400, RequestRefusedError),
    ("400", 400, RequestRefusedError),
    ("SomethingNew", 400, RequestRefusedError),
]


@pytest.mark.parametrize(("code", "status", "kind"), ANSWERS)
def test_an_answer_is_judged_by_its_code_and_status(code: str, status: int, kind: type[PenstockError]) -> None:
    error = translated(answered(code, status), missing=DestinationMissingError, changed=SourceChangedError)
    assert type(error) is kind


FAILURES = [
    (boto.EndpointConnectionError(endpoint_url="https://s3"), ServiceUnavailableError),
    (boto.ConnectTimeoutError(endpoint_url="https://s3"), ServiceUnavailableError),
    (boto.ReadTimeoutError(endpoint_url="https://s3"), ServiceUnavailableError),
    (boto.ConnectionClosedError(endpoint_url="https://s3"), ServiceUnavailableError),
    (boto.SSLError(endpoint_url="https://s3", error=OSError("cut")), ServiceUnavailableError),
    (boto.ProxyConnectionError(proxy_url="http://proxy"), ServiceUnavailableError),
    (boto.ResponseStreamingError(error="reset"), ServiceUnavailableError),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), ServiceUnavailableError),
    (boto.HTTPClientError(error="other"), ServiceUnavailableError),
    (SSLError(OSError("record cut")), ServiceUnavailableError),
    (boto.NoCredentialsError(), ConfigurationError),
    (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), ConfigurationError),
    (boto.CredentialRetrievalError(provider="iam", error_msg="no"), ConfigurationError),
    (boto.TokenRetrievalError(provider="sso", error_msg="expired"), ConfigurationError),
    (boto.NoRegionError(), ConfigurationError),
    (boto.ProfileNotFound(profile="nobody"), ConfigurationError),
    (boto.ParamValidationError(report="Invalid bucket name"), RequestRefusedError),
]


@pytest.mark.parametrize(("failure", "kind"), FAILURES, ids=lambda value: getattr(type(value), "__name__", ""))
def test_a_request_without_an_answer_is_judged_by_its_class(failure: Exception, kind: type[PenstockError]) -> None:
    assert type(translated(failure)) is kind


def test_text_decides_nothing() -> None:
    assert isinstance(translated(answered("SomethingNew", 400, "SlowDown, AccessDenied")), RequestRefusedError)


def test_a_denial_names_the_right_and_how_to_grant_it() -> None:
    error = translated(answered("AccessDenied", 403, "no identity-based policy allows kms:GenerateDataKey"))
    assert isinstance(error, AccessDeniedError)
    assert error.right == RIGHT
    assert RIGHT in str(error)
    assert "kms:GenerateDataKey" in str(error)
    assert RIGHT in error.hint


def test_every_message_says_what_was_tried_and_what_the_service_said() -> None:
    assert str(translated(answered("EntityTooSmall", 400))) == f"{RIGHT}: EntityTooSmall: as AWS puts it"
    assert RIGHT in str(translated(boto.ReadTimeoutError(endpoint_url="https://s3")))


def test_bad_credentials_say_where_to_look() -> None:
    assert "credentials" in translated(boto.NoCredentialsError()).hint
    assert "credentials" in translated(answered("InvalidClientTokenId", 403)).hint


# As the services put it on the wire, and as botocore reads it.
EXPIRED = {
    "s3": (
        400,
        b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
    ),
    "dynamodb": (
        400,
        b'{"__type": "com.amazon.coral.service#ExpiredTokenException", "message": "The security token is expired"}',
    ),
    "sqs": (403, b'{"__type": "com.amazon.coral.service#ExpiredTokenException", "message": "The token is expired"}'),
    "secretsmanager": (400, b'{"__type": "ExpiredTokenException", "message": "The security token is expired"}'),
}
CALLS: dict[str, Callable[[Any], object]] = {
    "s3": lambda client: client.get_object(Bucket="lake", Key="in.csv"),
    "dynamodb": lambda client: client.get_item(TableName="jobs", Key={"pk": {"S": "job"}}),
    "sqs": lambda client: client.change_message_visibility(
        QueueUrl="https://sqs.us-east-1.amazonaws.com/1/uploads", ReceiptHandle="handle", VisibilityTimeout=30
    ),
    "secretsmanager": lambda client: client.get_secret_value(SecretId="database"),
}


@pytest.mark.parametrize("service", EXPIRED)
def test_credentials_that_expire_in_mid_job_are_no_fault_of_the_job(service: str) -> None:
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]  # one of four
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        aws_session_token="token",
    )
    status, body = EXPIRED[service]

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        return AWSResponse(request.url, status, HTTPHeaders(), HTTPResponse(BytesIO(body), preload_content=False))

    client.meta.events.register(f"before-send.{service}", answer)
    with pytest.raises(ServiceUnavailableError, match="ExpiredToken") as caught, translating(RIGHT):
        CALLS[service](client)
    assert "retried" in caught.value.hint


@pytest.mark.parametrize("missing", [SourceGoneError, DestinationMissingError, ConfigurationError])
def test_what_is_missing_is_named_as_the_caller_names_it(missing: type[PenstockError]) -> None:
    assert type(translated(answered("NoSuchKey", 404), missing=missing)) is missing


def test_unless_told_otherwise_missing_is_a_refusal_and_changed_a_conflict() -> None:
    assert isinstance(translated(answered("NoSuchKey", 404)), RequestRefusedError)
    conflict = translated(answered("PreconditionFailed", 412))
    assert isinstance(conflict, PublishConflictError)
    assert isinstance(conflict, RetryableError)


def test_an_error_that_is_not_the_services_passes_unchanged() -> None:
    own = SourceGoneError("gone")
    with pytest.raises(SourceGoneError) as caught, translating(RIGHT):
        raise own
    assert caught.value is own
    with pytest.raises(ValueError, match="a bug"), translating(RIGHT):
        raise ValueError("a bug")
