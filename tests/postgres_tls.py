"""TLS before PostgreSQL, as its own servers speak it, with a certificate of an authority of the test's own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # https://www.postgresql.org/docs/current/protocol-message-formats.html


@dataclass(frozen=True, slots=True)
class TlsServer:
    """``authority`` is the file of who vouches for the server."""

    port: int
    authority: Path


@contextmanager
def tls_before(server: tuple[str, int], name: str, folder: Path) -> Iterator[TlsServer]:
    """Takes TLS as the server of ``name``, and passes on to ``server`` what was in it."""
    authority, chain = folder / "authority.pem", folder / "server.pem"
    _certify(name, authority, chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with socket.create_server((HOST, 0)) as listener:
        thread = Thread(target=_accept, args=(listener, server, context), daemon=True)
        thread.start()
        try:
            yield TlsServer(listener.getsockname()[1], authority)
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, server: tuple[str, int], context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            _serve(client, server, context)


def _serve(client: socket.socket, server: tuple[str, int], context: ssl.SSLContext) -> None:
    """One connection after the other: each test has one at a time."""
    with client, suppress(OSError):
        if client.recv(len(SSL_REQUEST), socket.MSG_WAITALL) != SSL_REQUEST:
            return
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as secret, socket.create_connection(server) as plain:
            back = Thread(target=_pass_on, args=(plain, secret), daemon=True)
            back.start()
            _pass_on(secret, plain)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _certify(name: str, authority: Path, chain: Path) -> None:
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the test's own")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)

    def builder(of: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(of).issuer_name(issuer).public_key(public)
        made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        return made.serial_number(x509.random_serial_number())

    constraints = x509.BasicConstraints(ca=True, path_length=None)
    own = builder(issuer, root.public_key()).add_extension(constraints, critical=True).sign(root, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    leaf = builder(subject, key.public_key()).add_extension(names, critical=False).sign(root, hashes.SHA256())
    authority.write_bytes(own.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + secret)
