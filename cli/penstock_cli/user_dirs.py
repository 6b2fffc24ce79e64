"""Where the command keeps what it must remember."""

from __future__ import annotations

from pathlib import Path


def upload_states() -> Path:
    """The folder of the states of unfinished uploads, in the user's data directory."""
    from platformdirs import user_data_path  # noqa: PLC0415  # only who uploads pays for it

    return user_data_path("penstock", appauthor=False) / "uploads"
