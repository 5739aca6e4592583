# SPDX-License-Identifier: MIT
"""Test signing: the signature covers the image, and a changed image is found out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.windows.conftest import SIGNING, load, missing_tool, need


@pytest.fixture
def signed(images: dict[str, Path], tmp_path: Path) -> Path:
    need(missing_tool(*SIGNING))
    image = tmp_path / "fastdivert.sys"
    shutil.copy(images["x64"], image)
    load("sign").sign(image, tmp_path)
    return image


def verifies(image: Path) -> bool:
    certificate = image.parent / "fastdivert-test.pem"
    result = subprocess.run(
        ["osslsigncode", "verify", "-CAfile", str(certificate), "-in", str(image)],
        capture_output=True,
        text=True,
    )
    return result.returncode == 0


def test_a_signed_image_verifies_against_the_certificate_that_was_made(signed: Path) -> None:
    assert verifies(signed)
    assert signed.with_name("fastdivert-test.cer").read_bytes()[0] == 0x30  # DER, for certmgr


def test_a_changed_byte_breaks_the_signature(signed: Path) -> None:
    content = bytearray(signed.read_bytes())
    content[0x800] ^= 1
    signed.write_bytes(content)
    assert not verifies(signed)


def test_an_unsigned_image_does_not_verify(signed: Path, images: dict[str, Path]) -> None:
    shutil.copy(images["x64"], signed)
    assert not verifies(signed)


def test_the_key_is_for_its_owner_alone(signed: Path) -> None:
    assert signed.with_name("fastdivert-test.key").stat().st_mode & 0o077 == 0
