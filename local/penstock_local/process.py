"""One emulator process and its Lambda workers: started on loopback, found again by its lock, ended as one group."""

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
ACCOUNT_ID = "000000000000"  # of MiniStack's root user
LAUNCHER = Path(__file__).parent / "emulator" / "launch.py"
HEALTH = "/_ministack/health"
START_TIMEOUT = 30.0  # seconds; one is the rule
STOP_TIMEOUT = 10.0
ACCESS_LOG = "access.jsonl"  # as the emulator's patches name it
SCRATCH = ("tmp", "home")
PROBE_SECONDS = 0.2  # as long as somebody who only asks may hold the lock


def start(state_dir: Path, *, host: str = HOST, port: int = 0, guard_fd: int | None = None) -> int:
    """Start an emulator that keeps its files in ``state_dir`` and return its port on ``host`` once it answers.

    It outlives this process unless ``guard_fd`` is given (see `guard`). Raises LocalStackError when one already
    runs there, when the port is taken, or when it does not come up.
    """
    for name in SCRATCH:
        (state_dir / name).mkdir(parents=True, exist_ok=True)
    access_log(state_dir).unlink(missing_ok=True)
    with _lock(state_dir) as lock, _listener(host, port) as listener, log_file(state_dir).open("wb") as log:
        port = listener.getsockname()[1]
        inherited = [listener.fileno(), lock.fileno(), *([guard_fd] if guard_fd is not None else [])]
        arguments = [str(listener.fileno()), str(port), *([str(guard_fd)] if guard_fd is not None else [])]
        process = subprocess.Popen(  # noqa: S603  # our own launcher
            [ministack_python(), LAUNCHER, *arguments],
            pass_fds=inherited,
            env=_environment(state_dir),
            cwd=state_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        process.returncode = 0  # disowned: whoever calls `stop` ends it, in this process or another
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
    """A file descriptor for `start`: the emulator dies when this block or this process ends, however it ends."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def pid(state_dir: Path) -> int | None:
    """The process id of the emulator that runs in ``state_dir``, if one does."""
    with suppress(FileNotFoundError), _lock_file(state_dir).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or None
    return None


def stop(state_dir: Path) -> bool:
    """End the emulator of ``state_dir`` with all its Lambda workers; False if none ran."""
    leader = pid(state_dir)
    if leader is None:
        return False
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)  # nothing to save: all its state is in memory
    with suppress(ChildProcessError):
        os.waitpid(leader, 0)
    if not poll(lambda: pid(state_dir) is None, seconds=STOP_TIMEOUT, every=0.02):
        raise LocalStackError(f"the emulator (process {leader}) does not end")
    for name in SCRATCH:
        shutil.rmtree(state_dir / name, ignore_errors=True)
    return True


@contextmanager
def _lock(state_dir: Path) -> Iterator[IO[str]]:
    """Hold the state directory; whoever inherits the file goes on holding it."""
    with _lock_file(state_dir).open("a") as file:
        if not poll(lambda: _try_lock(file), seconds=PROBE_SECONDS, every=0.01):
            raise LocalStackError(f"an emulator already runs in {state_dir}", hint="`penstock local down` ends it.")
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
                hint="Choose another --port, or none for a free one.",
            ) from error
        yield listener


def _environment(state_dir: Path) -> dict[str, str]:
    """Only what is listed: Lambda workers inherit it, and nothing of the user's AWS set-up may reach them."""
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
    """One request: the socket listens already, so it waits in its queue. Raises OSError when the emulator dies."""
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
    """What requests under roles were allowed or refused."""
    return state_dir / ACCESS_LOG


def log_file(state_dir: Path) -> Path:
    """What the emulator has to say."""
    return state_dir / "emulator.log"
