"""TLS before a server on loopback, with one bit flipped beneath it, as a cable or a switch might."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from select import select
from threading import Thread

# moto's own requirement
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"
PIECE = 16_384


@dataclass
class Front:
    """``certificate`` is what its clients must trust. ``flip_at``: which byte of all that it sends is damaged; -1 once
    that is done."""

    url: str
    certificate: Path
    flip_at: int = -1
    connections: int = 0
    context: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def damaged(self, data: bytes) -> bytes:
        if not 0 <= self.flip_at < len(data):
            self.flip_at = max(-1, self.flip_at - len(data))
            return data
        at, self.flip_at = self.flip_at, -1
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@contextmanager
def tls_front(server: tuple[str, int], folder: Path) -> Iterator[Front]:
    """Takes TLS, and passes on to ``server`` what was in it. Its key is written to ``folder``."""
    with socket.create_server((HOST, 0)) as listener:
        front = Front(f"https://{HOST}:{listener.getsockname()[1]}", folder / "front.pem")
        _certify(front.certificate)
        front.context.load_cert_chain(front.certificate)
        thread = Thread(target=_accept, args=(listener, server, front), daemon=True)
        thread.start()
        try:
            yield front
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, server: tuple[str, int], front: Front) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            front.connections += 1
            Thread(target=_pass, args=(client, server, front), daemon=True).start()


def _pass(client: socket.socket, address: tuple[str, int], front: Front) -> None:
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = front.context.wrap_bio(coming, going, server_side=True)
    with client, socket.create_connection(address) as server, suppress(OSError):
        while True:
            ready, _, _ = select([client, server], [], [])
            data = (client if client in ready else server).recv(PIECE)
            if not data:
                return
            if client in ready:
                coming.write(data)
                with suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    while plain := tls.read(PIECE):
                        server.sendall(plain)
                client.sendall(going.read())
            else:
                tls.write(data)
                client.sendall(front.damaged(going.read()))


def _certify(file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
