"""Where the password of an archive comes from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from penstock.aws.session import secrets_client
from penstock.model.object import Source, archive_of
from penstock.routes import Routes

if TYPE_CHECKING:
    from penstock.aws.secret_passwords import SecretPasswords


def passwords_of_routes(routes: Callable[[], Routes]) -> Callable[[Source], bytes]:
    """Return a function that reads the password of a member's archive from the secret that the archive's route names.

    It returns nothing without such a route.
    """

    @cache
    def secrets() -> SecretPasswords:
        from penstock.aws.secret_passwords import SecretPasswords  # noqa: PLC0415  # few archives are encrypted

        return SecretPasswords(secrets_client)

    def password(member: Source) -> bytes:
        route = routes().route_of(archive_of(member))
        return secrets()(route.password_secret) if route and route.password_secret else b""

    return password
