"""Quotas of the account, compared with what the stack may use at once."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, command, failed, note, passed, warning

# "Concurrent executions" of Lambda in Service Quotas.
_CODE = "L-B99A9384"


def concurrency(stack: Deployment) -> Iterator[Finding]:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"""
    found, small, large = stack.concurrency, stack.number("MaximumConcurrency", 5), stack.spans_at_once
    name = "Lambda concurrency"
    raised = command(
        "service-quotas",
        "request-service-quota-increase",
        service_code="lambda",
        quota_code=_CODE,
        desired_value=max(1000, 2 * (small + large)),
    )
    have = f"{found.unreserved} unreserved of {found.limit}"
    need = f"MaximumConcurrency {small} + MapConcurrency {large}"
    if small >= found.unreserved:
        yield failed(
            name,
            f"{have}, and {need}: uploads leave none for large objects",
            f"Deploy with MaximumConcurrency below {found.unreserved}, release reserved concurrency of other functions "
            f"(aws lambda delete-function-concurrency), or raise the quota:\n{raised}",
        )
    elif small + large > found.unreserved:
        remedy = f"Lower MaximumConcurrency or MapConcurrency, or raise the quota:\n{raised}"
        yield warning(name, f"{have}, less than {need}: some calls are throttled and retried", remedy)
    else:
        yield passed(name, f"{have}, for {need}")


def tables(stack: Deployment) -> Iterator[Finding]:
    """Show the write units of one table in a second. What DynamoDB throttles is retried."""
    writes = stack.services.tables.writes()
    loads = stack.number("MaximumConcurrency", 5) + stack.spans_at_once
    yield note("DynamoDB", f"{writes:,} write units a second and table; {loads} loads may run at once")


def batches(stack: Deployment) -> Iterator[Finding]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    size, window = stack.number("BatchSize", 1), stack.number("BatchingWindowSeconds", 0)
    if size > 10 and not window:  # noqa: PLR2004  # the limit of SQS without a window
        yield failed(
            "SQS batch", f"BatchSize {size} without a window", "Deploy with BatchingWindowSeconds of at least 1."
        )
    else:
        yield passed("SQS batch", f"{size} messages per call")
