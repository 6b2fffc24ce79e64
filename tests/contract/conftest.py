"""Fixtures: the servers on which the contracts run. Each starts once, and only if a test needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from contract.object_backends import (
    LOCALSTACK,
    MOTO,
    Endpoint,
    MemoryBackend,
    ObjectBackend,
    S3Backend,
    SimulatedBackend,
)
from penstock_local.account import emulator_only
from penstock_local.localstack import localstack as localstack_only
from service_models import shared_service_models

__all__ = ["shared_service_models"]


@pytest.fixture(scope="session")
def moto() -> Iterator[Endpoint]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield Endpoint(f"http://{host}:{port}")
    server.stop()


@pytest.fixture(scope="session")
def emulator() -> Iterator[Endpoint]:
    with emulator_only() as account:
        yield Endpoint(account.endpoint)


@pytest.fixture(scope="session")
def localstack(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """LocalStack needs half a gigabyte and is slower than the emulator, so it only runs on request."""
    if not request.config.getoption("--localstack"):
        pytest.skip("LocalStack runs with `make contract-localstack` only")
    with localstack_only() as account:
        yield Endpoint(account.endpoint)


@pytest.fixture(params=["memory", MOTO, "emulator", "simulated", LOCALSTACK])
def objects(request: pytest.FixtureRequest) -> ObjectBackend:
    if request.param == "memory":
        return MemoryBackend()
    if request.param == "simulated":
        return SimulatedBackend()
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return S3Backend(endpoint.client("s3"), strict_completion=request.param != "moto")
