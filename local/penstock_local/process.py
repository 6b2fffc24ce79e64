"""Starts an emulator process and its Lambda workers on loopback, finds it by its lock, and ends them as one group."""

from __future__ import annotations

import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from penstock_local.errors import LocalStackError
from penstock_local.polling import poll
from penstock_local.tools import ministack_python

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT_ID = "000000000000"  # the account of MiniStack's root user
LAUNCHER = Path(__file__).parent / "emulator" / "launch.py"
HEALTH = "/_ministack/health"
START_TIMEOUT = 30.0  # seconds; usually 1
STOP_TIMEOUT = 10.0
ACCESS_LOG = "access.jsonl"  # the same name as in the emulator's patches
SCRATCH = ("tmp", "home")
PROBE_SECONDS = 0.2  # the longest time that `pid` holds the lock


def start(state_dir: Path, *, host: str = HOST, port: int = 0, guard_fd: int | None = None) -> int:
    """Start an emulator that keeps its files in ``state_dir`` and return its port on ``host`` when it answers.

    It keeps running after this process unless ``guard_fd`` is given (see `guard`). Raises LocalStackError if an
    emulator already runs in ``state_dir``, if the port is in use, or if the emulator does not start.
    """
    for name in SCRATCH:
        (state_dir / name).mkdir(parents=True, exist_ok=True)
    access_log(state_dir).unlink(missing_ok=True)
    with _lock(state_dir) as lock, _listener(host, port) as listener, log_file(state_dir).open("wb") as log:
        port = listener.getsockname()[1]
        inherited = [listener.fileno(), lock.fileno(), *([guard_fd] if guard_fd is not None else [])]
        arguments = [str(listener.fileno()), str(port), *([str(guard_fd)] if guard_fd is not None else [])]
        process = subprocess.Popen(  # noqa: S603  # the launcher of this package
            [ministack_python(), LAUNCHER, *arguments],
            pass_fds=inherited,
            env=_environment(state_dir),
            cwd=state_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        process.returncode = 0  # not waited for: `stop` ends it, in this process or another
        lock.truncate(0)
        lock.write(str(process.pid))
        lock.flush()
    try:
        _wait_until_healthy(host, port)
    except OSError as error:
        stop(state_dir)
        last = log_file(state_dir).read_text(errors="replace").strip().rpartition("\n")[2]
        raise LocalStackError(
            f"the emulator did not start: {last or error}", hint=f"Its log is {log_file(state_dir)}."
        ) from error
    return port


@contextmanager
def guard() -> Iterator[int]:
    """A file descriptor for `start`. The emulator ends with this block or process, even if the process is killed."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def pid(state_dir: Path) -> int | None:
    """The process id of the emulator that runs in ``state_dir``; None if none runs."""
    with suppress(FileNotFoundError), _lock_file(state_dir).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or None
    return None


def stop(state_dir: Path) -> bool:
    """End the emulator of ``state_dir`` and its Lambda workers. Returns False if none ran."""
    leader = pid(state_dir)
    if leader is None:
        return False
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)  # all its state is in memory, so there is nothing to save
    with suppress(ChildProcessError):
        os.waitpid(leader, 0)
    if not poll(lambda: pid(state_dir) is None, seconds=STOP_TIMEOUT, every=0.02):
        raise LocalStackError(f"the emulator (process {leader}) did not end", hint=f"Kill process {leader}.")
    for name in SCRATCH:
        shutil.rmtree(state_dir / name, ignore_errors=True)
    return True


@contextmanager
def _lock(state_dir: Path) -> Iterator[IO[str]]:
    """Lock the state directory. A process that inherits the file keeps the lock."""
    with _lock_file(state_dir).open("a") as file:
        if not poll(lambda: _try_lock(file), seconds=PROBE_SECONDS, every=0.01):
            raise LocalStackError(f"an emulator already runs in {state_dir}", hint="End it with `penstock local down`.")
        yield file


def _try_lock(file: IO[str]) -> bool:
    """Lock a file; False if another process holds its lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError as error:
            raise LocalStackError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                hint="Choose another --port, or omit --port to use a free port.",
            ) from error
        yield listener


def _environment(state_dir: Path) -> dict[str, str]:
    """Only these variables: Lambda workers inherit them and must not see the user's AWS configuration."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(state_dir / "home"),
        "TMPDIR": str(state_dir / "tmp"),
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_REGION": REGION,
        "MINISTACK_HOST": HOST,
        "DOCKER_HOST": f"unix://{state_dir}/no-docker",
    }


def _wait_until_healthy(host: str, port: int) -> None:
    """Send one request, which waits in the queue of the listening socket. Raises OSError if the emulator ends."""
    connection = http.client.HTTPConnection(host, port, timeout=START_TIMEOUT)
    try:
        connection.request("GET", HEALTH)
        if connection.getresponse().status != http.HTTPStatus.OK:
            raise ConnectionError(f"{HEALTH} is not healthy")
    finally:
        connection.close()


def _lock_file(state_dir: Path) -> Path:
    return state_dir / "lock"


def access_log(state_dir: Path) -> Path:
    """The log of allowed and refused requests under roles."""
    return state_dir / ACCESS_LOG


def log_file(state_dir: Path) -> Path:
    """The log of the emulator."""
    return state_dir / "emulator.log"
