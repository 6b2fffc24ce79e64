"""What the local stack builds and deploys: the files of the repository, or those that the wheel carries."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from penstock_local.errors import LocalStackError

# The name of the distribution; that of the command and of the packages is taken on PyPI.
DISTRIBUTION = "penstock-aws"
TEMPLATE = "template.yaml"

_PACKAGE = Path(__file__).resolve().parent
_REPOSITORY = _PACKAGE.parents[1]
# Where the wheel has the files that are not Python packages (pyproject.toml).
_CARRIED = _PACKAGE / "deployable"
_LAYER = Path("layers", "penstock", "penstock")
_NOT_COPIED = shutil.ignore_patterns("__pycache__")


def checkout() -> Path:
    """Return the repository that this package runs from. Raises LocalStackError if it was installed as a wheel."""
    if not is_checkout():
        raise LocalStackError(
            "this command needs a checkout of Penstock, and was installed without one",
            hint="Clone the repository, and run the command there.",
        )
    return _REPOSITORY


def is_checkout() -> bool:
    """Whether this package runs from the repository."""
    return (_REPOSITORY / TEMPLATE).is_file()


def deployable(cache: Path | None = None) -> Path:
    """Return the folder with the template, the functions, the layer, the state machine and the pins of the tools.

    It is the repository; of a wheel, a copy in ``cache`` (the user's cache folder), made once for each build of the
    wheel, because `sam build` needs the files side by side. Raises LocalStackError if neither is there.
    """
    if is_checkout():
        return _REPOSITORY
    cache = cache or cache_folder()
    folder = cache / f"deployable-{_build()}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "deployable.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _copy(folder)
    return folder


def cache_folder() -> Path:
    """Return the folder for tools and copies: in the repository, or of the user."""
    if is_checkout():
        return _REPOSITORY / ".tools"
    from platformdirs import user_cache_path  # noqa: PLC0415  # a checkout creates its tools before it is installed

    return user_cache_path("penstock")


def _build() -> str:
    """Return a digest of the installed files. Raises LocalStackError."""
    try:
        # RECORD, the wheel's list of files, has the digest of each file.
        record = distribution(DISTRIBUTION).read_text("RECORD")
    except PackageNotFoundError:
        record = None
    if not record or not _CARRIED.is_dir():
        raise LocalStackError(
            "the files that the local stack deploys are not there",
            hint=f"Install the wheel of {DISTRIBUTION} again, or run the command in a clone of the repository.",
        )
    return hashlib.sha256(record.encode()).hexdigest()[:16]


def _copy(folder: Path) -> None:
    unfinished = folder.with_name(f"unfinished-{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(_CARRIED, unfinished, ignore=_NOT_COPIED)
    shutil.copytree(_PACKAGE.parent / "penstock", unfinished / _LAYER, ignore=_NOT_COPIED)
    unfinished.rename(folder)
