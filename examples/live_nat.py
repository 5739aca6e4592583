# SPDX-License-Identifier: MIT
"""Port redirection in ten lines: live_nat.py FROM TO sends TCP for port FROM to the server at TO.

Needs root on Linux. Requests come in for FROM and are given to TO; replies leave
TO and are made to come from FROM. Lengths stay, so every checksum is adjusted
in place, whatever the size of the packets.
"""

import contextlib
import sys

import fastdivert as fd


def main(public: str, server: str) -> None:
    both_ways = f"inbound? tcp.DstPort == {public}: tcp.SrcPort == {server}"
    with fd.open(f"({both_ways})") as handle, contextlib.suppress(KeyboardInterrupt):
        print(f"port {public} is port {server}; Ctrl-C ends it", flush=True)
        for batch in handle:
            batch.set("tcp.DstPort", int(server), where=batch["inbound"])
            batch.set("tcp.SrcPort", int(public), where=batch["outbound"])
            handle.send(batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
