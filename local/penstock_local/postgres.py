"""Starts a PostgreSQL server from a wheel on loopback, finds it by its lock, and stops it and deletes its data.

Its data is as short-lived as the objects in the emulator's memory. By default the server does not wait for the disk
(``fsync=off``).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

import psycopg

from penstock.aws.backoff import Backoff
from penstock.aws.retry import retrying
from penstock.files.state_file import private
from penstock_local.errors import LocalStackError
from penstock_local.polling import poll
from penstock_local.postgres_programs import UNPRIVILEGED, as_server, programs, reachable_temporary_directory

HOST = "127.0.0.1"
ROLE = "penstock"
START_TIMEOUT = 30.0  # seconds; usually 0.5
STOP_TIMEOUT = 10.0
AT_ONCE = Backoff(attempts=5, base=0.0)  # another process may take a free port before the server binds it

# Waits until this process closes its end of the pipe.
WATCH = 'read -r _; kill -QUIT "$1"; sleep 1; rm -rf "$2"'

DISPOSABLE = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB"}
DURABLE = {"shared_buffers": "128MB"}


def start(data_dir: Path, *, settings: Mapping[str, str] = DISPOSABLE) -> str:
    """Start a server with an empty database and return its DSN when it answers. It keeps running after this process.

    Raises LocalStackError if a server already runs in ``data_dir``, or if the server does not start.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with _lock(data_dir) as lock:
        _discard(data_dir)
        install = programs()
        home = _home(data_dir)
        password = secrets.token_urlsafe(18)
        _initdb(install, home, password)

        def listen() -> int:
            port = _free_port()
            server = _launch(install, home, port, lock, settings)
            lock.truncate(0)
            lock.write(str(server.pid))
            lock.flush()
            try:
                _wait_until_ready(server, _dsn(password, port, "postgres"))
            except LocalStackError:
                server.kill()
                server.wait()
                raise
            server.returncode = 0  # not waited for: `stop` ends it, in this process or another
            return port

        port = retrying(listen, on=LocalStackError, backoff=AT_ONCE, sleep=time.sleep)
    dsn = _dsn(password, port, ROLE)
    with open(home / "dsn", "w", opener=private) as file:
        file.write(dsn)
    return dsn


@contextmanager
def running(data_dir: Path, *, settings: Mapping[str, str] = DISPOSABLE) -> Iterator[str]:
    """The DSN of a server that runs until the block or this process ends, even if this process is killed."""
    dsn = start(data_dir, settings=settings)
    reading, writing = os.pipe()
    home = _server(data_dir).resolve()
    watcher = subprocess.Popen(  # noqa: S603  # fixed arguments
        ["/bin/sh", "-c", WATCH, "sh", str(pid(data_dir)), home],
        stdin=reading,
        start_new_session=True,
    )
    os.close(reading)
    try:
        yield dsn
    finally:
        watcher.kill()
        watcher.wait()
        os.close(writing)
        stop(data_dir)


def dsn(data_dir: Path) -> str | None:
    """The DSN of the server that runs in ``data_dir``; None if none runs."""
    return (_server(data_dir) / "dsn").read_text() if pid(data_dir) else None


def pid(data_dir: Path) -> int | None:
    """The process id of the server that runs in ``data_dir``; None if none runs."""
    if not _lock_file(data_dir).exists():
        return None
    try:
        with _lock(data_dir):
            return None
    except LocalStackError:
        return int(_lock_file(data_dir).read_text() or 0) or None


def stop(data_dir: Path) -> bool:
    """Stop the server of ``data_dir`` and delete its data. Returns False if none ran."""
    leader = pid(data_dir)
    if leader is not None:
        _end(data_dir, leader)
    if data_dir.exists():
        _discard(data_dir)
    return leader is not None


def _end(data_dir: Path, leader: int) -> None:
    def has_ended() -> bool:
        with suppress(ChildProcessError):
            os.waitpid(leader, os.WNOHANG)
        return pid(data_dir) is None

    for number in (signal.SIGINT, signal.SIGQUIT):  # fast shutdown, which rolls back; then immediate shutdown
        with suppress(ProcessLookupError):
            os.kill(leader, number)
        if poll(has_ended, seconds=STOP_TIMEOUT, every=0.01):
            return
    raise LocalStackError(f"PostgreSQL (process {leader}) did not stop", hint=f"Kill process {leader}.")


def _server(data_dir: Path) -> Path:
    return data_dir / "server"


def _home(data_dir: Path) -> Path:
    """The folder of the server's files: below ``data_dir``, or for root in a folder that its user can reach."""
    if os.geteuid() != 0:
        _server(data_dir).mkdir(mode=0o700)  # it contains the password
        return _server(data_dir).resolve()
    home = Path(mkdtemp(prefix="penstock-postgres-", dir=reachable_temporary_directory()))
    shutil.chown(home, UNPRIVILEGED)
    _server(data_dir).symlink_to(home)
    return home


def _discard(data_dir: Path) -> None:
    server = _server(data_dir)
    shutil.rmtree(server.resolve(), ignore_errors=True)
    if server.is_symlink():
        server.unlink()


def _initdb(install: Path, home: Path, password: str) -> None:
    password_file = home / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if os.geteuid() == 0:
        shutil.chown(password_file, UNPRIVILEGED)
    arguments: list[str | Path] = [
        "-D",
        home / "cluster",
        "-U",
        ROLE,
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        # The password is random. Iterations only help passwords that people choose, and cost 6 ms per connection.
        "--set=scram_iterations=1",
    ]
    options = ["--no-sync", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"]
    done = subprocess.run(  # noqa: S603  # fixed arguments
        [install / "bin" / "initdb", *arguments, *options], capture_output=True, text=True, check=False, **as_server()
    )
    password_file.unlink()
    if done.returncode:
        raise LocalStackError(f"initdb failed: {done.stderr.strip()}")


def _launch(
    install: Path, home: Path, port: int, lock: IO[str], settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    listen = {"listen_addresses": HOST, "port": str(port), "unix_socket_directories": ""}
    options = [word for name, value in {**listen, **settings}.items() for word in ("-c", f"{name}={value}")]
    with (home / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  # fixed arguments
            [install / "bin" / "postgres", "-D", home / "cluster", *options],
            pass_fds=[lock.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **as_server(),
        )


def _wait_until_ready(server: subprocess.Popen[bytes], dsn: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {ROLE}")
                return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise LocalStackError(f"PostgreSQL did not start: {error}") from error
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _dsn(password: str, port: int, database: str) -> str:
    return f"postgresql://{ROLE}:{password}@{HOST}:{port}/{database}?sslmode=disable"


@contextmanager
def _lock(data_dir: Path) -> Iterator[IO[str]]:
    """Lock ``data_dir``. The server inherits the lock and keeps it."""
    with _lock_file(data_dir).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalStackError(f"PostgreSQL already runs in {data_dir}") from None
        yield file


def _lock_file(data_dir: Path) -> Path:
    return data_dir / "lock"


if __name__ == "__main__":
    with running(Path(sys.argv[1])) as running_dsn:
        sys.stdout.write(f"{running_dsn}\n")
        sys.stdout.flush()
        signal.pause()
