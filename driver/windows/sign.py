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


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"sign.py: {name} is missing; ./dev driver installs it")
    return found


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A key and its certificate, in PEM; and the certificate for Windows beside them."""
    key, certificate = folder / "fastdivert-test.key", folder / "fastdivert-test.pem"
    if not certificate.exists():
        folder.mkdir(parents=True, exist_ok=True)
        request = (
            f"req -x509 -newkey rsa:3072 -sha256 -nodes -days {DAYS} "
            "-addext keyUsage=critical,digitalSignature "
            "-addext extendedKeyUsage=critical,codeSigning"
        )
        subprocess.run(
            [_tool("openssl"), *request.split(), "-subj", SUBJECT]
            + ["-keyout", str(key), "-out", str(certificate)],
            check=True,
            capture_output=True,
        )
        key.chmod(0o600)
        subprocess.run(
            [_tool("openssl"), "x509", "-outform", "DER", "-in", str(certificate)]
            + ["-out", str(folder / "fastdivert-test.cer")],
            check=True,
        )
    return key, certificate


def sign(image: Path, folder: Path) -> None:
    """Puts the signature into the image. Page hashes, as the kernel checks pages one by one."""
    key, certificate = make_certificate(folder)
    signed = image.with_suffix(".signed")
    signed.unlink(missing_ok=True)
    subprocess.run(
        [_tool("osslsigncode"), "sign", "-h", "sha256", "-ph", "-n", "fastdivert"]
        + ["-certs", str(certificate), "-key", str(key), "-in", str(image), "-out", str(signed)],
        check=True,
        capture_output=True,
    )
    signed.replace(image)
