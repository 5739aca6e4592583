# SPDX-License-Identifier: MIT
"""The replay driver: a capture stands in for the host.

``host`` moves packets from the source through the handles, highest priority
first, to the sink; ``channel`` is one handle's end of it; ``order`` puts the
packets that leave into the order in which they came.
"""

from fastdivert.replay.channel import ReplayChannel
from fastdivert.replay.host import Replay

__all__ = ["Replay", "ReplayChannel"]
