"""Patches of access control (IAM)."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from ministack import app  # type: ignore[import-not-found]  # installed in another virtual environment
from ministack.core import iam_actions, iam_evaluator, router  # type: ignore[import-not-found]  # the same
from ministack.services import s3  # type: ignore[import-not-found]  # the same

from penstock_local.emulator.patches.multipart import Response

NOT_FOUND = 404
ALLOWED = "Allow"


def count_loopback_as_tls() -> None:
    """A request over loopback has ``aws:SecureTransport: true``.

    Clients reach AWS over TLS, and the template's policies deny other requests. The emulator uses plain HTTP on
    127.0.0.1. Without this patch, those policies would refuse every request and every notification.
    """
    origin = ContextVar("origin", default=("127.0.0.1", True))
    iam_evaluator._request_origin = origin
    app.pin_request_origin = lambda address, _secure: origin.set((address, True))


def match_line_ends_with_wildcards() -> None:
    """``*`` in a policy matches any characters, including line ends, which a key may contain. MiniStack excludes them.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    original = iam_evaluator._fnmatch_compile

    @cache
    def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = original(pattern, ignore_case)
        return re.compile(found.pattern.removesuffix("$") + r"\Z", found.flags | re.DOTALL)

    iam_evaluator._fnmatch_compile = compiled


# The actions of batches that AWS does not have, and those that allow them.
_BATCH_ACTIONS = {
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}


def allow_batches_with_single_actions() -> None:
    """``sns:Publish`` allows both Publish and PublishBatch, and ``sqs:SendMessage`` both SendMessage and
    SendMessageBatch. MiniStack asks for ``sns:PublishBatch`` and the like, unknown actions.

    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
    """
    original = iam_actions.extract_iam_action

    def extract_iam_action(*request: Any, **named: Any) -> Any:
        action = original(*request, **named)
        return _BATCH_ACTIONS.get(action, action)

    iam_actions.extract_iam_action = extract_iam_action


def hide_missing_objects_without_list_permission() -> None:
    """GET and HEAD of an object that does not exist answer 403 to callers without ``s3:ListBucket`` on its bucket.

    MiniStack answers 404 to every caller.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    s3._get_object = _hiding(s3._get_object)
    s3._head_object = _hiding(s3._head_object)


def _hiding(read: Callable[..., Response]) -> Callable[..., Response]:
    def reading(bucket: str, key: str, headers: Any = None, query: Any = None) -> Response:
        answer = read(bucket, key, headers, query)
        caller = router.extract_access_key_id(headers or {}, query or {})
        # AWS answers 404 to every caller if the bucket does not exist.
        if answer[0] != NOT_FOUND or not caller or bucket not in s3._buckets:
            return answer
        region = router.extract_region(headers or {}, query or {})
        arn = f"arn:aws:s3:::{bucket}"
        refused = iam_evaluator.enforce(caller, "s3:ListBucket", "s3", region, resource_arn=arn)
        if refused is None:
            return answer
        denied: Response = iam_actions.access_denied_response(
            "s3", "s3:ListBucket", getattr(refused, "principal_arn", ""), "", headers=headers
        )
        return denied

    return reading


def log_decisions(log: Path) -> None:
    """Not a difference from AWS: log each decision on a role's request once per session, as a line of JSON in ``log``.

    ``resource`` is the pattern of the policy that allowed the request, or the refused resource. Tests compare the
    permissions of a role with the requests that were made under it.
    """
    evaluate, evaluate_of_resource = iam_evaluator.evaluate, iam_evaluator.evaluate_resource_policy
    known: set[tuple[str, ...]] = set()
    # The same function evaluates policies of buckets and queues, which grant nothing to a role.
    aside = ContextVar("aside", default=False)

    def evaluating_of_resource(*arguments: Any, **named: Any) -> Any:
        before = aside.set(True)
        try:
            return evaluate_of_resource(*arguments, **named)
        finally:
            aside.reset(before)

    def evaluating(request: Any, policies: Any, *limits: Any) -> Any:
        result = evaluate(request, policies, *limits)
        if aside.get():
            return result
        allowed = result.decision == ALLOWED
        resource = _pattern(request, policies) if allowed else request.resource_arn
        decision = (request.principal_arn, request.action, resource, result.decision)
        if decision not in known:
            known.add(decision)
            line = dict(zip(("principal", "action", "resource", "decision"), decision, strict=True))
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
        return result

    iam_evaluator.evaluate = evaluating
    iam_evaluator.evaluate_resource_policy = evaluating_of_resource


def _pattern(request: Any, policies: Any) -> str:
    """The resource of the first statement that allows a request."""
    statements = [statement for policy in policies for statement in policy]
    allowing = iam_evaluator._first_match(request, statements, ALLOWED)
    patterns = [text for text in allowing.resources if iam_evaluator.fnmatch_iam_cs(request.resource_arn, text)]
    return str(patterns[0]) if patterns else ""
