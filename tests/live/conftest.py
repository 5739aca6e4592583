# SPDX-License-Identifier: MIT
"""Live tests: root, a kernel with tcx, and tools that they run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.kernel_objects import everything, new_since
from tests.live.namespaces import Namespace, join, namespace

ROOT = Path(__file__).resolve().parents[2]


def _missing() -> str | None:
    if sys.platform != "linux":
        return "live tests need Linux"
    if os.geteuid() != 0:
        return "live tests need root"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "this kernel has no BTF"
    if importlib.util.find_spec("fastdivert.linux._linux") is None:
        return "fastdivert was built without the Linux driver: clang is needed"
    for tool in ("ip", "tc", "ping", "sysctl", "ethtool", "clang-19", "gcc"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = _missing()
    if reason and os.environ.get("FASTDIVERT_LIVE") == "required":
        raise pytest.UsageError(f"live tests are required here, but {reason}")
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.live)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the C test programs; FASTDIVERT_PROGRAMS names one that is built already."""
    if built := os.environ.get("FASTDIVERT_PROGRAMS"):
        return Path(built)
    folder = tmp_path_factory.mktemp("programs")
    subprocess.run(
        [sys.executable, str(ROOT / "driver/linux/build.py"), "--tests", str(folder)], check=True
    )
    return folder


@pytest.fixture(scope="session", autouse=True)
def host_as_it_was() -> Iterator[None]:
    """Programs, maps, links, pins, namespaces, devices, queueing disciplines: nothing is left."""
    before = everything()
    yield
    assert not new_since(before)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No namespace of this run's outlives its test."""
    before = _own_namespaces()
    yield
    assert _own_namespaces() == before


def _own_namespaces() -> set[str]:
    folder = Path("/run/netns")
    names = os.listdir(folder) if folder.is_dir() else []
    return {name for name in names if name.startswith(f"fdtest-{os.getpid()}-")}


@pytest.fixture
def alone() -> Iterator[Namespace]:
    with namespace() as one:
        yield one


@pytest.fixture
def pair() -> Iterator[tuple[Namespace, Namespace]]:
    """Two hosts on one wire: 10.1.0.1 and 10.1.0.2."""
    with namespace() as left, namespace() as right:
        join(left, "wire0", right, "wire1", 1)
        _meet(left, "10.1.0.2", "fd00:1::2")
        yield left, right


@pytest.fixture
def routed() -> Iterator[tuple[Namespace, Namespace, Namespace]]:
    """Two hosts and a router between them: 10.1.0.1, 10.2.0.2."""
    with namespace() as left, namespace() as router, namespace() as right:
        join(left, "wire0", router, "near", 1)
        join(router, "far", right, "wire1", 2)
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        left.ip("route", "add", "default", "via", "10.1.0.2")
        left.ip("-6", "route", "add", "default", "via", "fd00:1::2")
        right.ip("route", "add", "default", "via", "10.2.0.1")
        right.ip("-6", "route", "add", "default", "via", "fd00:2::1")
        _meet(left, "10.2.0.2", "fd00:2::2")
        yield left, router, right


def _meet(one: Namespace, *hosts: str) -> None:
    """Neighbours know each other before a test counts packets."""
    for host in hosts:
        one.run("ping", "-c", "1", "-w", "10", host)
