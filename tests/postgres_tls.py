"""A TLS proxy for PostgreSQL that speaks its protocol, with a certificate of a test authority."""

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
    """``authority`` is the certificate file of the authority."""

    port: int
    authority: Path


@contextmanager
def tls_proxy(server: tuple[str, int], name: str, folder: Path) -> Iterator[TlsServer]:
    """Accepts TLS as the server of ``name``, and forwards the decrypted bytes to ``server``."""
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
    """Serve one connection at a time; tests use no more."""
    with client, suppress(OSError):
        if client.recv(len(SSL_REQUEST), socket.MSG_WAITALL) != SSL_REQUEST:
            return
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as encrypted, socket.create_connection(server) as plain:
            back = Thread(target=_forward, args=(plain, encrypted), daemon=True)
            back.start()
            _forward(encrypted, plain)
            back.join()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _certify(name: str, authority: Path, chain: Path) -> None:
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)

    def builder(of: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        certificate = x509.CertificateBuilder().subject_name(of).issuer_name(issuer).public_key(public)
        certificate = certificate.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        return certificate.serial_number(x509.random_serial_number())

    constraints = x509.BasicConstraints(ca=True, path_length=None)
    own = builder(issuer, root.public_key()).add_extension(constraints, critical=True).sign(root, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    leaf = builder(subject, key.public_key()).add_extension(names, critical=False).sign(root, hashes.SHA256())
    authority.write_bytes(own.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + secret)
