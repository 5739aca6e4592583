# SPDX-License-Identifier: MIT
"""The guard against endless loops: a packet that another program has sent costs TTL to send on.

Two programs that both take packets and send them on can send each other the
same one for ever. As WinDivert does, sending such a packet (an impostor) takes
one off its TTL or hop limit, and fails when none is left. A packet that a
handle of higher priority has put back is an impostor too, but never comes back
to that handle: nothing is taken off.
"""

from __future__ import annotations

import errno
from typing import Final

import numpy as np
import numpy.typing as npt

from fastdivert._core import Packets
from fastdivert.dtypes import headers_of
from fastdivert.enums import HeaderFlag

LOOPING: Final = int(HeaderFlag.IMPOSTOR)
IMPOSTOR_KINDS: Final = int(HeaderFlag.IMPOSTOR | HeaderFlag.REINJECTED)


def spend_ttl(
    packets: Packets, stays: npt.NDArray[np.bool_], faults: npt.NDArray[np.int32]
) -> None:
    """Takes one off the TTL of the impostors among the rows that are sent.

    Those that have none left join ``stays``, with EHOSTUNREACH as their fault.
    """
    if not packets.flagged(IMPOSTOR_KINDS, LOOPING):
        return
    impostors = (headers_of(packets)["flags"] & IMPOSTOR_KINDS) == LOOPING
    impostors &= ~stays
    done = np.empty(len(packets), np.bool_)
    packets.decrement_ttl(impostors, done)
    spent = impostors & ~done
    faults[spent] = errno.EHOSTUNREACH
    stays |= spent
