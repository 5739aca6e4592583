# SPDX-License-Identifier: MIT
"""A bad network, by numpy: delay_loss.py MS LOSS [JITTER_MS [FILTER]].

Needs root on Linux. What the filter matches (by default all that this host
sends) is lost with probability LOSS, and what is not goes out MS milliseconds
later, and up to JITTER_MS more. Jitter reorders packets, as networks do.
"""

import contextlib
import sys
import time

import numpy as np

import fastdivert as fd

random = np.random.default_rng()


def main(delay: str, loss: str, jitter: str = "0", filter: str = "outbound") -> None:
    shortest, spread, share = float(delay) / 1000, float(jitter) / 1000, float(loss)
    waiting: list[tuple[np.ndarray, fd.Batch]] = []  # when each packet is due, in order
    with fd.open(filter) as handle, contextlib.suppress(KeyboardInterrupt):
        print(f"{delay} ms later, {share:.0%} lost; Ctrl-C ends it", flush=True)
        while True:
            with contextlib.suppress(TimeoutError):
                patience = min((due[0] for due, _ in waiting), default=np.inf) - time.monotonic()
                batch = handle.recv(timeout=max(0.0, patience))
                batch.drop(random.random(len(batch)) < share)
                due = time.monotonic() + shortest + spread * random.random(len(batch))
                order = np.argsort(due, kind="stable")
                waiting.append((due[order], batch.select(order).copy()))
                batch.release()  # its slots are free for the packets that come meanwhile
            waiting = [rest for due, held in waiting for rest in sent(handle, due, held)]
    stats = handle.stats()
    print(f"{stats['delivered']} packets, {stats['verdict_dropped']} lost")


def sent(handle: fd.Handle, due: np.ndarray, held: fd.Batch) -> list[tuple[np.ndarray, fd.Batch]]:
    """Sends what is due; the rest."""
    count = np.searchsorted(due, time.monotonic(), side="right")
    if count == 0:
        return [(due, held)]
    handle.send(held[:count])
    return [(due[count:], held[count:])] if count < len(due) else []


if __name__ == "__main__":
    main(*sys.argv[1:])
