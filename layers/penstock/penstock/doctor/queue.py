"""The queue that S3 notifies, and its dead letters."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, command, failed, passed, warning
from penstock.model.wording import counted

# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
TIMES_THE_TIMEOUT = 6
# As the backlog alarm of the stack.
OLD_SECONDS = 3600.0


def visibility(stack: Deployment) -> Iterator[Finding]:
    """Whether a message stays hidden as long as its function may run."""
    queue, timeout = stack.queue, stack.function("IngestFunction").timeout
    wanted = TIMES_THE_TIMEOUT * timeout
    if queue.visibility >= wanted:
        yield passed("visibility timeout", f"{queue.visibility} s, for a function of {timeout} s")
    else:
        found = f"{queue.visibility} s is less than six times the function's {timeout} s: messages are delivered again"
        yield failed("visibility timeout", found, _set(stack, VisibilityTimeout=str(wanted)))


def redrive(stack: Deployment) -> Iterator[Finding]:
    """Whether failed messages reach the dead-letter queue, and whether some are there."""
    letters = stack.services.queues.state(stack.output("DeadLetterQueueUrl"))
    if stack.queue.dead_letters == letters.arn:
        yield passed("dead-letter queue", letters.arn.rpartition(":")[2])
    else:
        policy = f'{{"deadLetterTargetArn":"{letters.arn}","maxReceiveCount":"5"}}'
        found = f"messages that fail go to {stack.queue.dead_letters or 'no queue, and are delivered for 14 days'}"
        yield failed("dead-letter queue", found, _set(stack, RedrivePolicy=policy))
    if letters.waiting:
        yield warning(
            "dead letters",
            f"{counted(letters.waiting, 'event')} failed five times",
            "The reconciler records their jobs as failed. Fix the cause, then redrive them:\n"
            "penstock jobs --state failed\npenstock redrive --failed",
        )
    else:
        yield passed("dead letters", "none")


def backlog(stack: Deployment) -> Iterator[Finding]:
    """How many messages wait, and for how long."""
    if not stack.queue.waiting:
        yield passed("messages", "none waits")
        return
    oldest = stack.services.queues.oldest(stack.queue.arn.rpartition(":")[2])
    found = f"{counted(stack.queue.waiting, 'message')} waiting"
    if oldest is None:
        yield passed("messages", found)
    elif oldest < OLD_SECONDS:
        yield passed("messages", f"{found}, the oldest for {oldest:.0f} s")
    else:
        yield warning(
            "messages",
            f"{found}, the oldest for {oldest / 3600:.1f} h",
            "Raise MaximumConcurrency, or find the upload that fails and is retried: penstock jobs --state waiting",
        )


def _set(stack: Deployment, **attributes: str) -> str:
    return command("sqs", "set-queue-attributes", queue_url=stack.output("QueueUrl"), attributes=attributes)
