# SPDX-License-Identifier: MIT
"""Two hosts on one wire: network namespaces without a name, which end with this process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator

from fastdivert.linux import namespaces

CLIENT, SERVER = "10.99.0.1", "10.99.0.2"


class Host:
    """A network namespace, kept by an open descriptor alone: nothing is left if we are killed."""

    def __init__(self) -> None:
        def make() -> None:
            try:
                namespaces.enter_new()
                self._descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                failure.append(error)

        failure: list[OSError] = []
        thread = threading.Thread(target=make)  # so that we stay where we are
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread works in it."""
        with open("/proc/thread-self/ns/net") as home:
            namespaces.enter(self.path)
            try:
                yield
            finally:
                namespaces.enter(f"/proc/self/fd/{home.fileno()}")

    def close(self) -> None:
        os.close(self._descriptor)


@contextlib.contextmanager
def wired() -> Iterator[tuple[Host, Host]]:
    """The client and the server."""
    client, server = Host(), Host()
    try:
        _ip(
            client,
            "link",
            "add",
            "wire",
            "type",
            "veth",
            "peer",
            "name",
            "wire",
            "netns",
            server.path,
        )
        for host, address in ((client, CLIENT), (server, SERVER)):
            _ip(host, "address", "add", f"{address}/24", "dev", "wire")
            _ip(host, "link", "set", "wire", "up")
        yield client, server
    finally:
        client.close()
        server.close()


def _ip(host: Host, *words: str) -> None:
    with host.entered():
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
