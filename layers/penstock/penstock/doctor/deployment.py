"""A deployed stack as the checks see it: each part is read once, when the first check needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from penstock.aws.inspection.values import Concurrency, FunctionState, QueueState, Resource, StackState
from penstock.doctor.finding import NotDeployedError
from penstock.doctor.ports import Services
from penstock.doctor.template import Template
from penstock.errors import PenstockError
from penstock.limits import MOST_WORKERS, fair_workers
from penstock.routes import Routes

T = TypeVar("T")

FUNCTION, MAPPING = "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"


class Deployment:
    """One stack. Every property raises what its request raises, each time it is asked, after one request."""

    def __init__(self, name: str, services: Services) -> None:
        self.name = name
        self.services = services
        self._known: dict[str, Any] = {}

    @property
    def stack(self) -> StackState:
        return self._once("stack", lambda: self.services.stacks.state(self.name))

    @property
    def resources(self) -> Mapping[str, Resource]:
        return self._once("resources", lambda: self.services.stacks.resources(self.name))

    @property
    def template(self) -> Template:
        services = self.services

        def stream(table: str) -> str:
            return self._once(f"stream {table}", lambda: services.tables.state(table).stream)

        return self._once(
            "template", lambda: Template(services.stacks.template(self.name), self.stack, self.resources, stream)
        )

    @property
    def routes(self) -> tuple[str, Routes]:
        return self._once("routes", self.services.routes.read)

    @property
    def queue(self) -> QueueState:
        return self._once("queue", lambda: self.services.queues.state(self.output("QueueUrl")))

    @property
    def concurrency(self) -> Concurrency:
        return self._once("concurrency", self.services.functions.account)

    @property
    def answer(self) -> Any:
        """What the function `check` says."""
        return self._once("answer", self._ask)

    def functions(self) -> Iterator[FunctionState]:
        """Yield the functions of the stack."""
        for name, one in self.resources.items():
            if one.kind == FUNCTION:
                yield self._once(f"function {name}", partial(self.services.functions.state, one.id))

    def function(self, name: str) -> FunctionState:
        """Return a function by its logical id, as "IngestFunction"."""
        return self._once(f"function {name}", lambda: self.services.functions.state(self.id_of(name)))

    def output(self, name: str) -> str:
        """Return an output of the stack. Raises NotDeployedError if it has none."""
        if value := self.stack.outputs.get(name, ""):
            return value
        raise NotDeployedError(f"stack {self.name} has no output {name}")

    def id_of(self, logical_id: str) -> str:
        """Return the physical id of a resource. Raises NotDeployedError if the stack has none."""
        if logical_id not in self.resources:
            raise NotDeployedError(f"stack {self.name} has no resource {logical_id}")
        return self.resources[logical_id].id

    def number(self, parameter: str, default: int) -> int:
        """Return a parameter of the stack."""
        return int(self.stack.parameters.get(parameter) or default)

    def values(self, parameter: str) -> list[str]:
        """Return the values of a list parameter."""
        return [value.strip() for value in self.stack.parameters.get(parameter, "").split(",") if value.strip()]

    @property
    def source_buckets(self) -> list[str]:
        return self._buckets("Source")

    @property
    def destination_buckets(self) -> list[str]:
        return self._buckets("Destination")

    @property
    def spans_at_once(self) -> int:
        """How many spans of a large job the machine starts at once (see MapConcurrency)."""
        return self.number("MapConcurrency", 0) or fair_workers(self.concurrency.unreserved)

    def _buckets(self, role: str) -> list[str]:
        outputs = self.stack.outputs
        names = outputs.get(f"All{role}BucketNames") or outputs.get(f"{role}BucketName", "")
        return [name for name in names.split(",") if name]

    def _ask(self) -> Any:
        connections = self.number("MaximumConcurrency", 5) + (self.number("MapConcurrency", 0) or MOST_WORKERS)
        return self.services.functions.invoke(self.output("CheckFunctionName"), {"connections": connections})

    def _once(self, name: str, read: Callable[[], T]) -> T:
        if name not in self._known:
            try:
                self._known[name] = read()
            except PenstockError as error:
                self._known[name] = error
        found = self._known[name]
        if isinstance(found, PenstockError):
            raise found
        return found  # type: ignore[no-any-return]  # what `read` returned
