# SPDX-License-Identifier: MIT
"""top_talkers.py IN [N]: which pairs of IPv4 hosts exchanged the most bytes, by numpy."""

import sys

import numpy as np

import fastdivert as fd


def main(source: str, most: str = "10") -> None:
    pairs, sizes = [], []
    for batch in fd.read_pcap(source):
        ip = batch["ip"]
        ends = np.stack([batch["ip.SrcAddr"][ip], batch["ip.DstAddr"][ip]])
        ends.sort(axis=0)  # both directions are one conversation
        pairs.append(ends[0].astype(np.uint64) << 32 | ends[1])
        sizes.append(batch["ip.Length"][ip])
    pair, which = np.unique(np.concatenate(pairs), return_inverse=True)
    total = np.bincount(which, weights=np.concatenate(sizes)).astype(np.int64)
    for k in np.argsort(-total)[: int(most)].tolist():
        one, other = fd.format_ipv4(int(pair[k] >> 32)), fd.format_ipv4(int(pair[k] & 0xFFFFFFFF))
        print(f"{total[k]:>14,} bytes  {one} - {other}")


if __name__ == "__main__":
    main(*sys.argv[1:])
