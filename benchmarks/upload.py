"""An upload: how fast beside `aws s3 cp`, in how much memory, and what fifty kills cost.

    pip install -r requirements/bench.txt
    python -m benchmarks.upload [SIZE_IN_MB [KILLS]]

The server is another process on this machine that hashes nothing while clients are compared, over HTTP and over TLS,
and one that proves every byte while the command is killed. Writes results/upload.md.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.upload_kills import COMMAND, Outcome, environment, upload_through_kills
from benchmarks.upload_server import upload_server

AWS = str(Path(sys.executable).with_name("aws"))
RESULTS = Path(__file__).with_name("results") / "upload.md"
MB = 1_000_000
MIB = 1024 * 1024
ROUNDS = 9
SEED = 300
# Slow enough that a run of a second or two is killed half way, fast enough that it gets some parts through.
RATE = 8 * MB


@dataclass(frozen=True)
class Run:
    """One command: seconds on the clock and of the processor, bytes of memory at most."""

    wall: float
    cpu: float
    memory: int


def measured(command: list[str], env: dict[str, str]) -> Run:
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Run(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def compared(file: Path, endpoint: str, home: Path, certificate: Path | None) -> dict[str, list[Run]]:
    """Both commands, turn by turn."""
    env = environment(endpoint, home) | ({"AWS_CA_BUNDLE": str(certificate)} if certificate else {})
    commands = {
        "penstock upload": [COMMAND, "upload", str(file), "s3://bucket/ours", "--quiet"],
        "aws s3 cp": [AWS, "s3", "cp", str(file), "s3://bucket/theirs", "--only-show-errors"],
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for command in commands.values():
        measured(command, env)  # warms the disk's cache and the interpreter's
    for _ in range(ROUNDS):
        for name, command in commands.items():
            runs[name].append(measured(command, env))
    return runs


def memory_by_setting(file: Path, endpoint: str, home: Path) -> dict[tuple[int, int], int]:
    """Peak memory by threads and MiB a part."""
    small = home / "small"
    small.write_bytes(b"small")
    env = environment(endpoint, home)
    peaks = {(0, 0): measured([COMMAND, "upload", str(small), "s3://bucket/m", "--quiet"], env).memory}
    for threads, part in ((1, 8), (4, 8), (10, 8), (4, 32)):
        options = ["--quiet", "--threads", str(threads), "--part-size", f"{part}MiB"]
        peaks[threads, part] = measured([COMMAND, "upload", str(file), "s3://bucket/m", *options], env).memory
    return peaks


@contextmanager
def certificate() -> Iterator[Path]:
    """A folder with a certificate for 127.0.0.1 that is good for a day."""
    from cryptography import x509  # noqa: PLC0415  # only this needs it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(here, critical=False)
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    with TemporaryDirectory() as folder:
        (Path(folder) / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (Path(folder) / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        yield Path(folder)


def table(size: int, runs: dict[str, dict[str, list[Run]]]) -> str:
    lines = [
        "| over | command | MB/s (median) | best | seconds, all rounds | processor seconds | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for scheme, commands in runs.items():
        for name, rounds in commands.items():
            walls = [run.wall for run in rounds]
            lines.append(
                f"| {scheme} | `{name}` | {size / MB / statistics.median(walls):.0f} | {size / MB / min(walls):.0f} | "
                f"{', '.join(f'{wall:.2f}' for wall in walls)} | "
                f"{statistics.median(run.cpu for run in rounds):.2f} | "
                f"{max(run.memory for run in rounds) / MB:.0f} MB |"
            )
    return "\n".join(lines)


def memory_table(peaks: dict[tuple[int, int], int]) -> str:
    base = peaks[0, 0]
    lines = [
        f"A file of 5 bytes takes {base / MB:.0f} MB: the interpreter and botocore. What parts add to that:",
        "",
        "| threads | part | threads x part | measured |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {threads} | {part} MiB | {threads * part * MIB / MB:.0f} MB | {(peak - base) / MB:.0f} MB |"
        for (threads, part), peak in peaks.items()
        if threads
    ]
    return "\n".join(lines)


def kills_table(outcome: Outcome, uploads: int, threads: int) -> str:
    return "\n".join(
        (
            "| | |",
            "|---|---|",
            f"| kills -9 at random moments (seed {SEED}) | {outcome.kills} |",
            f"| uploads of this file that they hit, all completed | {uploads} |",
            f"| runs of the command | {outcome.runs} |",
            f"| objects identical | {'yes' if outcome.identical else 'NO'} |",
            f"| state files left over | {outcome.left_over} |",
            f"| bytes of the files | {outcome.size:,} |",
            f"| bytes that the server received over all runs | {outcome.received:,} |",
            f"| sent again | {outcome.excess:,} |",
            f"| at most in flight at the kills ({outcome.kills} x {threads} parts of 5 MiB) | {outcome.in_flight:,} |",
        )
    )


def main() -> None:
    size = int(sys.argv[1]) * MB if len(sys.argv) > 1 else 300 * MB
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    threads = 4
    load = os.getloadavg()[0]
    with TemporaryDirectory() as folder, certificate() as tls:
        home, file = Path(folder), Path(folder) / "file.bin"
        with file.open("wb") as made:
            # In pieces: a child's peak memory counts from what its parent had.
            for _ in range(size // MB):
                made.write(os.urandom(MB))
        runs = {}
        with upload_server("--careless") as endpoint:
            runs["http"] = compared(file, endpoint, home, None)
            peaks = memory_by_setting(file, endpoint, home)
        with upload_server("--careless", "--tls", str(tls)) as endpoint:
            runs["TLS"] = compared(file, endpoint, home, tls / "cert.pem")
        with upload_server("--rate", str(RATE)) as endpoint:
            outcome = upload_through_kills(
                file, endpoint, home, kills=kills, seed=SEED, threads=threads, part_size=5 * MIB, delays=(0.2, 2.5)
            )
        assert outcome.identical
        assert outcome.excess <= outcome.in_flight
    version = subprocess.run([AWS, "--version"], capture_output=True, text=True, check=True).stdout.split()[0]
    RESULTS.write_text(
        f"# Upload\n\n`python -m benchmarks.upload`: a file of {size / MB:.0f} MB of random bytes, in the page cache, "
        f"to a server on this machine ({os.cpu_count()} processors, Python {platform.python_version()}, {version}), "
        f"both commands with their defaults, {ROUNDS} rounds in turn. Times include the start of the command. "
        f"Load of the machine by others when it began: {load:.1f}.\n\n"
        f"{table(size, runs)}\n\n## Memory\n\n{memory_table(peaks)}\n\n## Killed\n\n"
        f"{kills_table(outcome, outcome.size // size, threads)}\n"
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
