"""A child process that was forked with an open handle does not disturb the parent's replay."""

from __future__ import annotations

import os

import pytest

import fastdivert as fd
from tests.handle.replaying import replay
from tests.traffic import numbered, numbers, tcp

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_child(function) -> int:
    """Runs function in a forked child; gives its exit status: 0 if nothing was raised."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_can_read_what_the_parent_received():
    with replay(numbered(5)) as handle:
        batch = handle.recv()

        def check() -> None:
            batch["ip.TTL"] = 1
            assert numbers(batch) == list(range(5))

        assert in_child(check) == 0
        assert batch["ip.TTL"].tolist() == [64] * 5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "use",
    [
        lambda handle: handle.recv(timeout=0),
        lambda handle: handle.send(tcp()),
        lambda handle: handle.shutdown(),
    ],
)
def test_a_child_is_told_that_the_handle_is_not_its_own(use):
    with replay(numbered(5)) as handle:

        def check() -> None:
            with pytest.raises(fd.HandleError, match="open one after the fork"):
                use(handle)

        assert in_child(check) == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "misdeed",
    [
        lambda handle: handle.close(),
        lambda handle: [handle.send(batch) for batch in handle],
        lambda handle: handle.shutdown(),
    ],
)
def test_what_a_child_does_leaves_the_parents_capture_whole(misdeed, tmp_path):
    path = tmp_path / "out.pcap"
    with replay([numbered(50), numbered(50, first=50)], sink=path) as handle:
        handle.send(handle.recv(20))
        in_child(lambda: misdeed(handle))
        for batch in handle:
            handle.send(batch)
    assert numbers(fd.read_pcap(path)) == list(range(100))
