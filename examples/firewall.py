# SPDX-License-Identifier: MIT
"""A firewall in ten lines: firewall.py IN OUT lets HTTP in, and everything that is no new TCP."""

import sys

import fastdivert as fd


def main(source: str, target: str) -> None:
    with fd.open("tcp.Syn and not tcp.Ack", driver="replay", source=source, sink=target) as handle:
        for batch in handle:
            batch.drop(~batch.match("tcp.DstPort == 80"))
            handle.send(batch)
        print(f"{handle.stats()['verdict_dropped']} connections refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
