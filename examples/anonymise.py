# SPDX-License-Identifier: MIT
"""anonymise.py IN OUT: gives every host another address, the same one throughout the capture.

The last 16 bits of each address go through one random permutation, so networks
stay networks and conversations stay conversations. Payloads are blanked, link
layer headers and frames that are not IP left out, checksums made right.
"""

import sys

import numpy as np

import fastdivert as fd

LOW = np.random.default_rng().permutation(1 << 16).astype(np.uint32)


def main(source: str, target: str) -> None:
    with fd.read_pcap(source) as reader, fd.CaptureWriter(target, link=fd.Link.RAW) as writer:
        for frames in reader:
            batch = frames[frames["ip"] | frames["ipv6"]]
            for name in ("ip.SrcAddr", "ip.DstAddr"):
                address = batch[name]
                batch[name] = (address & 0xFFFF0000) | LOW[address & 0xFFFF]
            for name in ("ipv6.SrcAddr", "ipv6.DstAddr"):
                address = batch[name].copy()  # (n, 16) bytes, in network order
                words = address.view(">u2")
                words[:, 7] = LOW[words[:, 7]]
                batch[name] = address
            for packet in batch:
                packet.payload[:] = 0
            batch.checksums()
            writer.write(batch)
    print(f"{writer.packets} packets anonymised")


if __name__ == "__main__":
    main(*sys.argv[1:])
