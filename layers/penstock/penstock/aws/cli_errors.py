"""Errors of AWS for a user at a terminal: the errors of `aws.errors`, with hints that fit there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto

from penstock.aws.cli_hints import hint_for
from penstock.aws.errors import WRONG_REGION, code_of, region_of, translating
from penstock.errors import AccessDeniedError, DestinationMissingError, PenstockError, ServiceUnavailableError

_AGAIN = "then run the same command again: it resumes where it stopped."
RUN_AGAIN = "then run the same command again."

_BY_CODE = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
        f"The credentials have expired: renew them (for example with `aws sso login`), {_AGAIN}",
    ),
    **dict.fromkeys(
        ("RequestTimeTooSkewed", "RequestInTheFuture"),
        f"This machine's clock is wrong by more than 15 minutes: set it, {_AGAIN}",
    ),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId"),
        f"The access key is not valid here: check --profile, --endpoint-url and `aws configure`, {_AGAIN}",
    ),
    "NoSuchBucket": "Check the bucket's name and --profile, or create it: aws s3 mb s3://BUCKET",
    "NoSuchUpload": "The upload was ended elsewhere. Run the same command again: it starts over.",
}
# Errors before a request was sent; the first match wins.
_BY_CLASS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((boto.SSOError, boto.TokenRetrievalError), f"Sign in again (`aws sso login`), {_AGAIN}"),
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
        f"Provide credentials (`aws configure`, AWS_PROFILE, or --profile NAME), {_AGAIN}",
    ),
    ((boto.ProfileNotFound,), "List the profiles with `aws configure list-profiles`."),
    ((boto.HTTPClientError, boto.ConnectionError), f"Check the network and --endpoint-url, {_AGAIN}"),
    ((boto.ParamValidationError,), "Correct the arguments of the command."),
    ((boto.BotoCoreError,), "Check the AWS configuration: `aws configure list`."),
)


@contextmanager
def cli_errors(right: str, *, again: str = _AGAIN, by_route: bool = False) -> Iterator[None]:
    """Raise Penstock's errors for botocore's, as `translating` does, with hints for a user of the command.

    ``again`` ends the hints that suggest a retry: RUN_AGAIN for a command that does not resume.
    ``by_route``: a routes file has the options, not the command.
    """
    try:
        with translating(right, missing=DestinationMissingError):
            yield
    except PenstockError as error:
        error.hint = _hint(error, by_route=by_route).replace(_AGAIN, again)
        raise


def _hint(error: PenstockError, *, by_route: bool) -> str:
    cause = error.__cause__
    if isinstance(cause, boto.ClientError):
        return _answered(error, cause)
    return next((hint for classes, hint in _BY_CLASS if isinstance(cause, classes)), hint_for(error, by_route=by_route))


def _answered(error: PenstockError, cause: boto.ClientError) -> str:
    code = code_of(cause)
    if code in WRONG_REGION:
        return f"The bucket is in another region: set --region {region_of(cause) or 'REGION'}, {_AGAIN}"
    if code in _BY_CODE:
        return _BY_CODE[code]
    if isinstance(error, AccessDeniedError):
        return f"Ask for {error.right}, or choose other credentials with --profile, {_AGAIN}"
    if isinstance(error, ServiceUnavailableError):
        return f"The service is busy or failing: wait a little, {_AGAIN}"
    return error.hint
