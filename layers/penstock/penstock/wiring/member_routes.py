"""Where the members of an archive go: all to one destination, or each by its own route."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from penstock.delivery.member_jobs import check_depth
from penstock.errors import PermanentError
from penstock.model.member import Member
from penstock.model.object import Source, Target, member_source
from penstock.model.route import Route, TableTarget
from penstock.routes import Routes, destination_of, takes_member
from penstock.run.loads import ExternalSource
from penstock.wiring.run_request import refuse_ignored_options, target_of


class MemberRoutes(Protocol):
    """Routes of members. ``shown``: the name of the destination of all. ``routes``: those of a routes file."""

    @property
    def shown(self) -> str: ...

    @property
    def routes(self) -> Routes | None: ...

    def takes(self, member: Member) -> bool:
        """Return whether the patterns choose the member."""

    def route_of(self, member: Member) -> Route | None:
        """Return the route of a chosen member, None if there is none."""

    def target_of(self, route: Route, member: Member) -> Target | TableTarget | Path:
        """Return the destination of a member. Raises InvalidRouteError."""

    def refusal(self, route: Route, member: Member) -> PermanentError | None:
        """Return why a member cannot be delivered by its route, None if it can."""

    def check(self, route: Route, source: Source) -> None:
        """Raises InvalidRouteError for options that mean nothing to the format of a member."""


@dataclass(frozen=True, slots=True)
class OneDestination:
    """Members go below the destination of a route, under their own names, or into its table."""

    archive: Source
    route: Route
    patterns: tuple[str, ...] = ()
    routes: None = None

    @property
    def shown(self) -> str:
        return self.route.destination

    def takes(self, member: Member) -> bool:
        return takes_member(self.patterns, member.name)

    def route_of(self, member: Member) -> Route:  # noqa: ARG002  # it is the same for all
        return self.route

    def target_of(self, route: Route, member: Member) -> Target | TableTarget | Path:
        return target_of(route, self.archive, member.path)

    def refusal(self, route: Route, member: Member) -> None:  # noqa: ARG002  # no archive is taken apart
        return None

    def check(self, route: Route, source: Source) -> None:
        refuse_ignored_options(route, source)


@dataclass(frozen=True, slots=True)
class OwnRoutes:
    """Each member goes where the first route leads that matches its key. ``taken`` is the route of the archive."""

    archive: Source
    taken: Route
    routes: Routes
    shown: str = "the routes of its members"

    def takes(self, member: Member) -> bool:
        taken = self.route_of(member.within) if member.within else self.taken
        return taken is None or takes_member(taken.members, member.name)

    def refusal(self, route: Route, member: Member) -> PermanentError | None:
        if route.takes_apart:
            try:
                check_depth(member_source(self.archive, member))
            except PermanentError as error:
                return error
        return None

    def route_of(self, member: Member) -> Route | None:
        return self.routes.route_of(member_source(self.archive, member))

    def target_of(self, route: Route, member: Member) -> Target | TableTarget:
        return destination_of(route, member_source(self.archive, member))

    def check(self, route: Route, source: Source) -> None:
        """A routes file is checked when it is read."""


def external_member(archive: Source, member: Member, size: int) -> ExternalSource:
    """Return a member as the source of a run. Its identity is that of the archive's version, its number and name."""
    location = archive.location if isinstance(archive, ExternalSource) else archive.uri
    source = member_source(archive, member)
    return ExternalSource(
        archive.bucket,
        source.key,
        size,
        archive.version_id or archive.etag,
        location=f"{location}/{member.path}",
        shown=archive.uri,
        archive=source.archive,
        member=member,
    )
