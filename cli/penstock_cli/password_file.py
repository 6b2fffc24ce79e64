"""The file of --password-file."""

from __future__ import annotations

from pathlib import Path

import click

# A secret of Secrets Manager has no more.
_MOST = 65_536


def read_password(path: Path) -> bytes:
    """Return the password in a file, without the end of its line."""
    try:
        with path.open("rb") as file:
            password = file.read(_MOST + 1).rstrip(b"\r\n")
    except OSError as error:
        raise click.UsageError(f"--password-file {path}: {error.strerror}") from error
    if not password or len(password) > _MOST:
        raise click.UsageError(f"--password-file {path} must have 1 to {_MOST:,} bytes.")
    return password
