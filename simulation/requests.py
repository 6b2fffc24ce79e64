"""Every request of a function to a service: where other tasks may run, where rights are checked, where faults occur."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)

from penstock.aws.dynamodb_client import EncodedPuts
from simulation.chaos import CONDITIONAL, Chaos, Fault
from simulation.dynamodb import Paginator, refused
from simulation.rights import Rights, needed
from simulation.scheduler import KilledError, Scheduler, Task

# What a client waits for an answer at most, and what TCP may deliver late of a process that is gone.
LATEST_SECONDS = 60.0
# The client that writes items waits shorter, and does not try again: `aws.dynamodb_client`.
LATEST_ITEMS_SECONDS = 10.0
URL = "https://simulated.amazonaws.com"
_BUSY = {"s3": ("SlowDown", 503)} | dict.fromkeys(
    ("dynamodb", "items"), ("ProvisionedThroughputExceededException", 400)
)
_EXPIRED = {"s3": "ExpiredToken"}


class Requests:
    """Sends requests in the name of the current task. ``seconds`` is what one takes on average."""

    def __init__(self, scheduler: Scheduler, chaos: Chaos, rights: Rights, random: Random, seconds: float) -> None:
        self._scheduler = scheduler
        self._chaos = chaos
        self._rights = rights
        self._random = random
        self.seconds = seconds
        self.role_of_late = ""

    def client(self, service: str, fake: Any) -> Client:
        """Return a client of a service."""
        return Client(self, service, fake)

    def send(self, service: str, operation: str, carry_out: Callable[..., Any], request: dict[str, Any]) -> Any:
        """Send a request. Raises botocore's errors, and KilledError."""
        task = self._scheduler.current
        if task is None or not task.role:
            return carry_out(**request)
        if task.is_dead:
            raise KilledError(task.name)
        self._check_rights(task, service, operation, request)
        is_conditional = operation in CONDITIONAL and bool({"IfMatch", "IfNoneMatch"} & request.keys())
        fault = self._chaos.draw(task, operation, is_conditional=is_conditional)
        self._die(task, fault, Fault.KILL)
        if fault is Fault.LATE:
            self._scheduler.call(
                self._random.uniform(0, _latest(service)), partial(self._carry_out_late, task.role, carry_out, request)
            )
            self._die(task, fault, Fault.LATE)
        self._scheduler.wait(self._delay(fault, _latest(service)))
        self._refuse(service, operation, fault)
        if fault is Fault.LEFT:
            return _half(carry_out, operation, request)
        answer = carry_out(**request)
        if fault is Fault.RESENT:
            answer = carry_out(**request)
        if fault is Fault.STUCK:
            self._scheduler.wait(float("inf"))
        self._die(task, fault, Fault.KILL_DONE)
        if fault is Fault.LOST:
            raise ConnectionClosedError(endpoint_url=URL)
        if fault is Fault.FAILED_DONE:
            raise refused(operation, "InternalError", status=500)
        if "Body" in answer:
            answer["Body"].before_read = self._reading(task, cut=fault is Fault.CUT)
        return answer

    def _carry_out_late(self, role: str, carry_out: Callable[..., Any], request: dict[str, Any]) -> None:
        self.role_of_late = role
        with suppress(ClientError):
            carry_out(**request)
        self.role_of_late = ""

    def _check_rights(self, task: Task, service: str, operation: str, request: dict[str, Any]) -> None:
        for action, resource in needed(service, operation, request):
            if not self._rights.allow(task.role, action, resource):
                code = "403" if operation == "head_object" else "AccessDenied"
                self._rights.refusals.append(f"{task.role} may not {action} on {resource}")
                raise refused(operation, code, f"{task.role} is not authorized to perform {action}", 403)

    def _delay(self, fault: Fault | None, latest: float) -> float:
        """Return how long a request takes: most take about as long, few much longer."""
        seconds = min(self.seconds * self._random.expovariate(1.0), latest / 2)
        return seconds + self._random.uniform(1.0, latest / 2) if fault is Fault.SLOW else seconds

    def _refuse(self, service: str, operation: str, fault: Fault | None) -> None:
        match fault:
            case Fault.RESET:
                raise EndpointConnectionError(endpoint_url=URL)
            case Fault.FAILED:
                raise refused(operation, "InternalError", status=500)
            case Fault.BUSY:
                code, status = _BUSY.get(service, ("ThrottlingException", 400))
                raise refused(operation, code, status=status)
            case Fault.EXPIRED:
                raise refused(operation, _EXPIRED.get(service, "ExpiredTokenException"), status=400)
            case Fault.CONFLICT:
                raise refused(operation, "ConditionalRequestConflict", status=409)

    def _reading(self, task: Task, *, cut: bool) -> Callable[[], None]:
        left = [1 if cut else 0]

        def before_read() -> None:
            if task.is_dead:
                raise KilledError(task.name)
            if left[0]:
                left[0] = 0
                raise self._random.choice(
                    (
                        IncompleteReadError(actual_bytes=0, expected_bytes=1),
                        ReadTimeoutError(endpoint_url=URL),
                    )
                )

        return before_read

    def _die(self, task: Task, fault: Fault | None, wanted: Fault) -> None:
        if fault is wanted:
            task.is_dead = True
            raise KilledError(task.name)


class Client:
    """A client of a service, whose operations go through `Requests`."""

    def __init__(self, requests: Requests, service: str, fake: Any) -> None:
        self.meta = getattr(fake, "meta", None)
        self._requests = requests
        self._service = service
        self._fake = fake

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        carry_out = getattr(self._fake, operation)

        def send(**request: Any) -> Any:
            return self._requests.send(self._service, operation, carry_out, request)

        self.__dict__[operation] = send
        return send

    def get_paginator(self, operation: str) -> Paginator:
        return Paginator(getattr(self, operation))


def _latest(service: str) -> float:
    return LATEST_ITEMS_SECONDS if service == "items" else LATEST_SECONDS


def _half(carry_out: Callable[..., Any], operation: str, request: dict[str, Any]) -> Any:
    """Process half of a batch, and return the rest as not processed."""
    given = request["RequestItems"]
    if isinstance(given, EncodedPuts):
        given = json.loads(given.body)["RequestItems"]
    ((table, wanted),) = given.items()
    if operation == "batch_write_item":
        kept, left = wanted[::2], wanted[1::2]
        answer = dict(carry_out(RequestItems={table: kept}))
        return answer | {"UnprocessedItems": {table: left} if left else {}}
    keys = wanted["Keys"]
    answer = dict(carry_out(RequestItems={table: {**wanted, "Keys": keys[::2]}}))
    left = keys[1::2]
    return answer | {"UnprocessedKeys": {table: {**wanted, "Keys": left}} if left else {}}
