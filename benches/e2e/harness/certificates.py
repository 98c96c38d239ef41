"""A certificate for the proxies, of an authority of its own, as short-lived as the benchmark."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

HOST = "bench.test"
_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]


@dataclass(frozen=True)
class Certificate:
    """PEM files."""

    authority: Path
    cert: Path
    key: Path
    both: Path


def make(openssl, folder):
    """An ECDSA certificate on P-256, which is what most servers have."""
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    certificate = Certificate(authority, folder / "cert.pem", folder / "key.pem", folder / "both.pem")

    def request(*arguments):
        subprocess.run([openssl, "req", "-x509", *_CURVE, *map(str, arguments)], check=True, capture_output=True)

    request("-subj", "/CN=weir bench", "-keyout", authority_key, "-out", authority)
    names = ["-addext", f"subjectAltName=DNS:{HOST}", "-addext", "basicConstraints=critical,CA:FALSE"]
    signer = ["-CA", authority, "-CAkey", authority_key]
    request("-subj", f"/CN={HOST}", *names, *signer, "-keyout", certificate.key, "-out", certificate.cert)
    certificate.both.write_bytes(certificate.cert.read_bytes() + certificate.key.read_bytes())
    return certificate
