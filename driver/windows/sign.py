# SPDX-License-Identifier: MIT
"""Signs a driver with a certificate that is made for it, and good for tests only.

A Windows machine loads it after `bcdedit /set testsigning on` (with Secure Boot
off) and with fastdivert-test.cer among its trusted roots and publishers.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

SUBJECT: Final = "/CN=fastdivert test signing (not for production)"
DAYS: Final = 365


def _run(name: str, arguments: str, *more: str | Path) -> None:
    tool = shutil.which(name)
    if tool is None:
        raise SystemExit(f"sign.py: {name} is missing; ./dev driver --sign installs it")
    command = [tool, *arguments.split(), *map(str, more)]
    subprocess.run(command, check=True, capture_output=True)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A key and its certificate, in PEM; and the certificate for Windows beside them."""
    key, certificate = folder / "fastdivert-test.key", folder / "fastdivert-test.pem"
    if not certificate.exists():
        folder.mkdir(parents=True, exist_ok=True)
        request = (
            f"req -x509 -newkey rsa:3072 -sha256 -nodes -days {DAYS} "
            "-addext keyUsage=critical,digitalSignature "
            "-addext extendedKeyUsage=critical,codeSigning -subj"
        )
        _run("openssl", request, SUBJECT, "-keyout", key, "-out", certificate)
        key.chmod(0o600)
        windows = certificate.with_suffix(".cer")
        _run("openssl", "x509 -outform DER -in", certificate, "-out", windows)
    return key, certificate


def sign(image: Path, folder: Path) -> None:
    """Puts the signature into the image. Page hashes, as the kernel checks pages one by one."""
    key, certificate = make_certificate(folder)
    signed = image.with_suffix(".signed")
    signed.unlink(missing_ok=True)
    what = ["-certs", certificate, "-key", key, "-in", image, "-out", signed]
    _run("osslsigncode", "sign -h sha256 -ph -n fastdivert", *what)
    signed.replace(image)
