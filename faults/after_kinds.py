"""Routes with actions after jobs, and what they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DONE, QUARANTINE = "done/", "quarantine/"
# What the objects of the suite carry, and must keep when they are moved.
ATTRIBUTES = {
    "ContentType": "text/x-of-the-suite",
    "Metadata": {"sender": "suite"},
    "StorageClass": "STANDARD_IA",
}
TAGS = {"kept": "as it was"}


@dataclass(frozen=True, slots=True)
class AfterPlan:
    """The actions of a route, as in routes.toml. ``name`` begins the names of its files."""

    name: str
    success: str
    failure: str

    @property
    def toml(self) -> str:
        return f'after = {{ success = "{self.success}", failure = "{self.failure}" }}'


def after_plans() -> Sequence[AfterPlan]:
    """All plans."""
    return (
        AfterPlan("after-tag", "tag", "tag"),
        AfterPlan("after-move", f"move:{DONE}", f"move:{QUARANTINE}"),
        AfterPlan("after-delete", "delete", f"move:{QUARANTINE}"),
        AfterPlan("after-permanent", "delete:permanent", f"move:{QUARANTINE}"),
    )


def _route(name: str, match: str, plan: AfterPlan, rest: str) -> str:
    return f'''
[[route]]
name = "{name}"
match = "*/{match}"
{plan.toml}
{rest}
'''


_ROWS = """destination = "postgresql:people"
max_rejects = 1000
[route.table]
mode = "append"
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }]"""
_MOVE = after_plans()[1]

AFTER_ROUTES = "".join(
    [
        _route("after rows", "after-append-*.csv", _MOVE, _ROWS),
        _route("after archive", "archive-after.zip", _MOVE, 'archive = "members"'),
        *(
            _route(plan.name, f"{plan.name}-*", plan, 'destination = "s3://{destination_bucket}/{stem}"')
            for plan in after_plans()
        ),
    ]
)
