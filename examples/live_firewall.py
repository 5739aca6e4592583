# SPDX-License-Identifier: MIT
"""A live firewall in ten lines: live_firewall.py PORT lets new TCP connections in to PORT only.

Needs root on Linux. Only packets that open a connection are taken; all others
never leave the kernel. Ctrl-C ends it, and everything is open again.
"""

import contextlib
import sys

import fastdivert as fd


def main(port: str) -> None:
    opening = "inbound and tcp.Syn and not tcp.Ack"
    with fd.open(opening) as handle, contextlib.suppress(KeyboardInterrupt):
        print(f"only port {port} is open; Ctrl-C ends it", flush=True)
        for batch in handle:
            batch.drop(batch["tcp.DstPort"] != int(port))
            handle.send(batch)
    print(f"{handle.stats()['verdict_dropped']} packets refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
