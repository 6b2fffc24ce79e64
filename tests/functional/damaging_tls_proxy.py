"""A TLS proxy for a server on loopback that flips one bit of the encrypted stream, as a cable or a switch might."""

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

# a requirement of moto
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"
PIECE = 16_384


@dataclass
class DamagingTlsProxy:
    """``certificate`` is the file that clients must trust. ``flip_at`` is the position of the damaged byte in the sent
    stream; -1 after it was damaged."""

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
def damaging_tls_proxy(server: tuple[str, int], folder: Path) -> Iterator[DamagingTlsProxy]:
    """Accepts TLS and forwards the decrypted bytes to ``server``. Its key is written to ``folder``."""
    with socket.create_server((HOST, 0)) as listener:
        proxy = DamagingTlsProxy(f"https://{HOST}:{listener.getsockname()[1]}", folder / "front.pem")
        _certify(proxy.certificate)
        proxy.context.load_cert_chain(proxy.certificate)
        thread = Thread(target=_accept, args=(listener, server, proxy), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, server: tuple[str, int], proxy: DamagingTlsProxy) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            proxy.connections += 1
            Thread(target=_forward, args=(client, server, proxy), daemon=True).start()


def _forward(client: socket.socket, address: tuple[str, int], proxy: DamagingTlsProxy) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = proxy.context.wrap_bio(incoming, outgoing, server_side=True)
    with client, socket.create_connection(address) as server, suppress(OSError):
        while True:
            ready, _, _ = select([client, server], [], [])
            data = (client if client in ready else server).recv(PIECE)
            if not data:
                return
            if client in ready:
                incoming.write(data)
                with suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    while plain := tls.read(PIECE):
                        server.sendall(plain)
                client.sendall(outgoing.read())
            else:
                tls.write(data)
                client.sendall(proxy.damaged(outgoing.read()))


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
