"""Runs statemachine/job.asl.json: its states, retries and catches."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from faults.invocation_request import InvocationResult, Invoke

DEFINITION = Path(__file__).parents[1] / "statemachine" / "job.asl.json"
# Concurrent spans.
WORKERS = 2
ALL_RETRIES = 1_000

State = Mapping[str, Any]
Together = Callable[[Sequence[Callable[[], Any]]], list[Any]]


class _Failed(Exception):  # noqa: N818  # a failed task, not an error of this module
    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error)
        self.output = {"Error": error, "Cause": cause}


class StateMachineRunner:
    """``together`` calls several tasks at once, as a Map does, and returns their results or errors.
    ``invoke`` calls a function, ``read`` reads a file of the work bucket, ``wait`` lets seconds pass.
    ``meanwhile`` runs other executions while this one waits. ``retries`` limits every retrier of the definition."""

    def __init__(
        self,
        invoke: Invoke,
        read: Callable[[str, str], bytes],
        wait: Callable[[float], None],
        meanwhile: Callable[[], None],
        retries: int = ALL_RETRIES,
        *,
        together: Together | None = None,
    ) -> None:
        self._together = together or _in_threads
        self._retries = retries
        self._states: Mapping[str, State] = json.loads(DEFINITION.read_text())["States"]
        self._invoke = invoke
        self._read = read
        self._wait = wait
        self._meanwhile = meanwhile

    def run(self, given: Mapping[str, Any]) -> dict[str, str] | None:
        """Run an execution to its end; return its error, or None."""
        data = dict(given)
        name = next(iter(self._states))
        while True:
            state = self._states[name]
            if state["Type"] == "Succeed":
                return None
            if state["Type"] == "Fail":
                return {"Error": data["error"]["Error"], "Cause": data["error"]["Cause"]}
            name = self._choose(state, data) if state["Type"] == "Choice" else self._do(state, data)

    def _do(self, state: State, data: dict[str, Any]) -> str:
        if state["Type"] == "Wait":
            self._meanwhile()
            self._wait(_look(state["SecondsPath"], data))
            return str(state["Next"])
        try:
            value = self._map(state, data) if state["Type"] == "Map" else self._task(state, data)
        except _Failed as failed:
            catch = state["Catch"][0]
            _put(data, catch["ResultPath"], failed.output)
            return str(catch["Next"])
        _put(data, state.get("ResultPath"), value)
        return str(state["Next"])

    def _task(self, state: State, data: Mapping[str, Any]) -> Any:
        """Invoke a task, with the retries of its retriers, and return its value."""
        event = _filled(state["Parameters"], data) if "Parameters" in state else dict(data)
        found = re.fullmatch(r"\$\{(\w+)FunctionArn\}", state["Resource"])
        assert found, state["Resource"]
        tries: Counter[int] = Counter()
        while True:
            answer = self._invoke(found[1].lower(), event)
            if not answer.error:
                return answer.value
            number, retrier = next(_retriers(state, answer), (0, None))
            if retrier is None or tries[number] >= min(retrier["MaxAttempts"], self._retries):
                raise _Failed(answer.error, json.dumps({"errorMessage": answer.message}))
            self._wait(min(retrier["IntervalSeconds"] * 2.0 ** tries[number], retrier["MaxDelaySeconds"]))
            tries[number] += 1

    def _map(self, state: State, data: Mapping[str, Any]) -> list[Any]:
        location = _filled(state["ItemReader"]["Parameters"], data)
        items = [json.loads(line) for line in self._read(location["Bucket"], location["Key"]).splitlines()]
        inner = next(iter(state["ItemProcessor"]["States"].values()))
        selector = state["ItemSelector"]
        done = self._together([partial(self._task, inner, _filled(selector, data, item)) for item in items])
        failed = [one for one in done if isinstance(one, BaseException)]
        for error in failed:
            if not isinstance(error, _Failed):
                raise error
        if failed:
            raise _Failed("States.ExceedToleratedFailureThreshold", "an item failed")
        return done

    def _choose(self, state: State, data: Mapping[str, Any]) -> str:
        for choice in state["Choices"]:
            if "IsPresent" in choice:
                step, name = choice["Variable"].removeprefix("$.").split(".")
                if name in data.get(step, ()):
                    return str(choice["Next"])
                continue
            wanted = choice.get("StringEquals", choice.get("BooleanEquals"))
            if _look(choice["Variable"], data) == wanted:
                return str(choice["Next"])
        return str(state["Default"])


def _in_threads(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(task) for task in tasks]
    return [one.exception() or one.result() for one in done]


def _retriers(state: State, answer: InvocationResult) -> Iterator[tuple[int, State]]:
    for number, retrier in enumerate(state.get("Retry", ())):
        if answer.error in retrier["ErrorEquals"] or "States.ALL" in retrier["ErrorEquals"]:
            yield number, retrier


def _filled(template: Mapping[str, Any], data: Mapping[str, Any], item: object = None) -> dict[str, Any]:
    return {
        name.removesuffix(".$"): _look(value, data, item) if name.endswith(".$") else value
        for name, value in template.items()
    }


def _look(path: str, data: Any, item: object = None) -> Any:
    if path.startswith("$$"):
        return item
    for name in path.removeprefix("$.").split("."):
        data = data[name]
    return data


def _put(data: dict[str, Any], path: str | None, value: object) -> None:
    if path:
        data[path.removeprefix("$.")] = value
