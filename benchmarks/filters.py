"""The filters that everybody runs, each in WinDivert's language and libpcap's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.traffic import ICMP, TCP, UDP, Traffic

TCP_PORTS = (21, 22, 25, 80, 110, 143, 443, 993, 8080, 8443)
UDP_PORTS = (53, 67, 123, 161, 500)
DESTINATION, SOURCE = 0x0A00004D, 0xC000004E  # 10.0.0.77, 192.0.0.78

Truth = npt.NDArray[np.void]


@dataclass(frozen=True)
class Question:
    """One filter of so many tests, and the packets that it should match."""

    tests: int
    windivert: str
    libpcap: str
    truth: Callable[[Truth], npt.NDArray[np.bool_]]

    def answer(self, traffic: Traffic) -> npt.NDArray[np.bool_]:
        """The right answer, from what was put into the packets."""
        return self.truth(traffic.truth)


def _one(t: Truth) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (t["protocol"] == TCP) & (t["destination_port"] == 443)
    return found


def _five(t: Truth) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (
        (t["version"] == 4) & ((t["tcp_flags"] & 0x10) != 0) & (t["ttl"] >= 64) & _one(t)
    )
    return found


def _twenty(t: Truth) -> npt.NDArray[np.bool_]:
    v4 = t["version"] == 4
    found: npt.NDArray[np.bool_] = (
        ((t["protocol"] == TCP) & np.isin(t["destination_port"], TCP_PORTS))
        | ((t["protocol"] == UDP) & np.isin(t["destination_port"], UDP_PORTS))
        | (v4 & (t["destination"] == DESTINATION))
        | (v4 & (t["source"] == SOURCE))
        | (v4 & (t["ttl"] == 1))
        | (v4 & (t["length"] > 60000))
        | ((t["protocol"] == ICMP) & (t["icmp_type"] == 0))
    )
    return found


QUESTIONS = {
    1: Question(1, "tcp.DstPort == 443", "tcp dst port 443", _one),
    5: Question(
        5,
        "ip and tcp and tcp.Ack and ip.TTL >= 64 and tcp.DstPort == 443",
        "ip and tcp and tcp[13] & 0x10 != 0 and ip[8] >= 64 and tcp dst port 443",
        _five,
    ),
    20: Question(
        20,
        " or ".join(
            [f"tcp.DstPort == {port}" for port in TCP_PORTS]
            + [f"udp.DstPort == {port}" for port in UDP_PORTS]
            + ["ip.DstAddr == 10.0.0.77", "ip.SrcAddr == 192.0.0.78", "ip.TTL == 1"]
            + ["ip.Length > 60000", "icmp.Type == 0"]
        ),
        " or ".join(
            [f"tcp dst port {port}" for port in TCP_PORTS]
            + [f"udp dst port {port}" for port in UDP_PORTS]
            + ["ip dst host 10.0.0.77", "ip src host 192.0.0.78", "ip[8] == 1"]
            + ["ip[2:2] > 60000", "icmp[0] == 0"]
        ),
        _twenty,
    ),
}
