"""nginx with the configuration of the documentation, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import nginx_path
from tests.faults.process import Child, accepts
from tests.ports import free_port

CONFIGURATION: Final = Path(__file__).parents[2] / "docs" / "nginx.conf"
HOST: Final = "api.example.com"
START_SECONDS: Final = 10

AROUND: Final = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/start.log;
events {{ }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    include {folder}/site.conf;
}}
"""
"""What stands around a file of conf.d, for a user who may not write where distributions keep things."""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: its ports, its folder, and the certificate that clients have to trust."""

    tls: int
    plain: int
    folder: Path
    certificate: Path

    @property
    def access_log(self) -> str:
        return (self.folder / "mcp.access.log").read_text("utf-8", "replace")

    @property
    def error_log(self) -> str:
        return (self.folder / "mcp.error.log").read_text("utf-8", "replace")


@contextmanager
def nginx_before(site_port: int, folder: Path) -> Iterator[Nginx]:
    """Run nginx before a site at a port of this machine."""
    found = Nginx(free_port(), free_port(), folder, make_certificate(folder))
    (folder / "site.conf").write_text(rendered(found, site_port), "utf-8")
    user = "user root;" if os.geteuid() == 0 else ""  # the folders of tests are closed to anybody else
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user), "utf-8")
    binary = nginx_path()
    assert binary is not None
    command = [binary, "-e", str(folder / "start.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    child = Child(command, folder / "start.log")
    try:
        child.wait_until(lambda: accepts(found.tls) and accepts(found.plain), START_SECONDS)
        yield found
    finally:
        child.stop()


def rendered(nginx: Nginx, site_port: int) -> str:
    """Return the documented configuration with ports and paths of this run; each has to stand there."""
    text = CONFIGURATION.read_text("utf-8")
    for documented, here in {
        "listen 80 ": f"listen 127.0.0.1:{nginx.plain} ",
        "listen 443 ": f"listen 127.0.0.1:{nginx.tls} ",
        "127.0.0.1:8000;": f"127.0.0.1:{site_port};",
        "/etc/nginx/tls/": f"{nginx.folder}/",
        "/var/log/nginx/": f"{nginx.folder}/",
    }.items():
        assert documented in text, documented
        text = text.replace(documented, here)
    return text


def make_certificate(folder: Path) -> Path:
    """Write a key and a certificate that it has signed itself, and return the path of the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    written = folder / f"{HOST}.pem"
    written.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{HOST}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return written
