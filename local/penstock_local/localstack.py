"""LocalStack as a child process: a second emulator, for the contract suite only.

It runs on the host, on loopback, without Docker and without a token. Its S3 was validated against AWS.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock_local import process
from penstock_local.account import Account
from penstock_local.errors import LocalStackError
from penstock_local.tools import ensure

TOOL = "localstack"
LAUNCHER = Path(__file__).parent / "emulator" / "localstack_launch.py"
HEALTH = "/_localstack/health"
START_TIMEOUT = 180.0  # seconds; usually 10


@contextmanager
def localstack() -> Iterator[Account]:
    """An empty account with S3 and SQS while the block runs. Raises LocalStackError if LocalStack does not start."""
    python = ensure(TOOL) / "bin" / "python"
    with TemporaryDirectory(prefix="penstock-") as directory, process.guard() as guard_fd:
        port = _free_port()
        log = Path(directory, "localstack.log")
        with log.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603  # the launcher of this package
                [python, LAUNCHER, str(guard_fd)],
                pass_fds=[guard_fd],
                env=_environment(Path(directory), port),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until_healthy(child, port, log)
            yield Account(endpoint=f"http://{process.HOST}:{port}")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _environment(directory: Path, port: int) -> dict[str, str]:
    """An environment without the user's configuration and without telemetry."""
    for name in ("home", "tmp"):
        (directory / name).mkdir()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(directory / "home"),
        "TMPDIR": str(directory / "tmp"),
        "GATEWAY_LISTEN": f"{process.HOST}:{port}",
        "DNS_ADDRESS": "0",
        "SERVICES": "s3,sqs",
        "STRICT_SERVICE_LOADING": "1",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "LS_LOG": "error",
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((process.HOST, 0))
        port: int = listener.getsockname()[1]
    return port


def _wait_until_healthy(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not _is_healthy(port):
        if child.poll() is not None or time.monotonic() > deadline:
            output = log.read_text(errors="replace").strip()[-2000:]
            raise LocalStackError(f"LocalStack did not start: {output}", hint="Run `make contract-localstack` again.")
        time.sleep(0.2)


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(process.HOST, port, timeout=10)
    try:
        connection.request("GET", HEALTH)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
