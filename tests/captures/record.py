#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Records the captures of this folder: real traffic between two namespaces.

Needs root and, on Debian: iproute2 iputils-ping tcpdump tshark (with dumpcap)
dnsmasq-base bind9-dnsutils curl clang. Everything runs in two network namespaces of
its own, which are removed at the end, also after a failure. Then convert.py
makes the forms that this host cannot capture, and describe.py the table in
README.md.

    sudo python tests/captures/record.py
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import convert
import describe

HERE = Path(__file__).parent
CLIENT, SERVER = f"fdcap{os.getpid()}c", f"fdcap{os.getpid()}s"
LINK = "eth1"  # in both namespaces
PATIENCE = 20  # seconds that any one command may take


def run(*command: str, check: bool = True) -> None:
    subprocess.run(
        command,
        check=check,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if check else subprocess.DEVNULL,
    )


def inside(namespace: str, *command: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", namespace, *command)


@contextmanager
def background(namespace: str, *command: str, settle: float = 0.7) -> Iterator[None]:
    """A server or a capture, for as long as the block runs."""
    process = subprocess.Popen(
        inside(namespace, *command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(settle)
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        yield
        time.sleep(settle)  # what is on its way still comes
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def network() -> Iterator[None]:
    """Two namespaces and a veth pair."""
    try:
        for namespace in (CLIENT, SERVER):
            run("ip", "netns", "add", namespace)
            run(*inside(namespace, "ip", "link", "set", "lo", "up"))
        run(
            *("ip", "link", "add", LINK, "netns", CLIENT, "type", "veth"),
            *("peer", "name", LINK, "netns", SERVER),
        )
        for namespace, host in ((CLIENT, 1), (SERVER, 2)):
            run(*inside(namespace, "ip", "link", "set", LINK, "up"))
            run(*inside(namespace, "ip", "addr", "add", f"10.77.0.{host}/24", "dev", LINK))
            run(*inside(namespace, "ip", "addr", "add", f"fd77::{host}/64", "dev", LINK, "nodad"))
        time.sleep(1.5)  # link-local addresses and router solicitations
        yield
    finally:
        for namespace in (CLIENT, SERVER):
            run("ip", "netns", "del", namespace, check=False)


# Tags at one end's egress and untags at the other's ingress, so that what goes
# over the link is tagged: kernels without VLAN devices still have these calls.
TAGGING = """
struct __sk_buff;
static long (*vlan_push)(struct __sk_buff *, unsigned short, unsigned short) = (void *)18;
static long (*vlan_pop)(struct __sk_buff *) = (void *)19;
#define SECTION(name) __attribute__((section(name), used))
#define NETWORK_ORDER(value) __builtin_bswap16(value)

SECTION("one") int push_one(struct __sk_buff *skb)
{
    vlan_push(skb, NETWORK_ORDER(0x8100), 100);
    return 0;
}

SECTION("two") int push_two(struct __sk_buff *skb)
{
    vlan_push(skb, NETWORK_ORDER(0x8100), 7);
    vlan_push(skb, NETWORK_ORDER(0x88a8), 200);
    return 0;
}

SECTION("untag") int untag_all(struct __sk_buff *skb)
{
    vlan_pop(skb);
    vlan_pop(skb);
    return 0;
}

char terms[] SECTION("license") = "Dual MIT/GPL";
"""


@contextmanager
def tagged(folder: Path, push: str) -> Iterator[None]:
    """Every frame of the link carries one VLAN tag, or two."""
    clang = next(name for name in ("clang", "clang-19") if shutil.which(name))
    source, program = folder / "tagging.c", folder / "tagging.o"
    source.write_text(TAGGING)
    run(clang, "-O2", "-g", "--target=bpf", "-c", str(source), "-o", str(program))
    for namespace in (CLIENT, SERVER):
        tc = inside(namespace, "tc")
        run(*tc, "qdisc", "add", "dev", LINK, "clsact")
        for hook, section in (("egress", push), ("ingress", "untag")):
            attach = ("bpf", "da", "obj", str(program), "sec", section)
            run(*tc, "filter", "add", "dev", LINK, hook, *attach)
    try:
        yield
    finally:
        for namespace in (CLIENT, SERVER):
            run(*inside(namespace, "tc", "qdisc", "del", "dev", LINK, "clsact"))


def tcpdump(file: str, *options: str, device: str = LINK, namespace: str = CLIENT) -> object:
    return background(
        *(namespace, "tcpdump", "-i", device, "-n", "-U", "-Z", "root"),
        *(*options, "-w", str(HERE / file)),
        settle=1.0,
    )


def forget_neighbours() -> None:
    for namespace in (CLIENT, SERVER):
        run(*inside(namespace, "ip", "neigh", "flush", "dev", LINK))


def curl(url: str, *options: str) -> None:
    run(*inside(CLIENT, "curl", "-sS", "-g", "--noproxy", "*", "-o", "/dev/null", *options, url))


def ping(address: str, *options: str) -> None:
    run(*inside(CLIENT, "ping", "-c", "2", "-i", "0.2", *options, address))


def dig(*query: str) -> None:
    run(*inside(CLIENT, "dig", "+tries=1", "+time=3", *query))


def record_http(stack: ExitStack, folder: Path) -> None:
    (folder / "page.html").write_text("<p>captured</p>\n" * 300)
    (folder / "bulk.bin").write_bytes(os.urandom(100_000))
    (folder / "large.bin").write_bytes(os.urandom(3_000_000))
    stack.enter_context(
        background(
            *(SERVER, sys.executable, "-m", "http.server", "--bind", "::"),
            *("--directory", str(folder), "8000"),
            settle=1.5,
        )
    )
    forget_neighbours()
    with tcpdump("http.pcap", "--time-stamp-precision=nano"):
        curl("http://10.77.0.2:8000/page.html")
        curl("http://[fd77::2]:8000/page.html")
        curl("http://10.77.0.2:8000/missing")
    with tcpdump("bulk.pcap", "--time-stamp-precision=nano", "tcp"):
        curl("http://10.77.0.2:8000/bulk.bin")
    with tcpdump("snapped.pcap", "-s", "96", "tcp"):
        curl("http://10.77.0.2:8000/large.bin")
        curl("http://[fd77::2]:8000/bulk.bin")
    with tcpdump("vlan.pcap", "--time-stamp-precision=nano"):
        forget_neighbours()
        with tagged(folder, "one"):
            curl("http://10.77.0.2:8000/page.html")
            ping("fd77::2")
        with tagged(folder, "two"):
            curl("http://[fd77::2]:8000/missing")
            ping("10.77.0.2")
    with ExitStack() as both:
        for version in ("SLL", "SLL2"):
            file = "cooked-v1.pcap" if version == "SLL" else "cooked-v2.pcap"
            both.enter_context(tcpdump(file, "-y", f"LINUX_{version}", device="any"))
        curl("http://10.77.0.2:8000/page.html")
        ping("fd77::2")
        ping("127.0.0.1")


def record_dns(stack: ExitStack) -> None:
    stack.enter_context(
        background(
            *(SERVER, "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--user=root"),
            *("--conf-file=/dev/null", "--pid-file=", "--local=/example/"),
            "--host-record=www.example,10.77.0.2,fd77::2",
            "--cname=alias.example,www.example",
            f"--txt-record=long.example,{'x' * 250},{'y' * 250},{'z' * 250}",
        )
    )
    with tcpdump("dns.pcap", "--time-stamp-precision=micro", "port", "53"):
        dig("@10.77.0.2", "www.example", "A")
        dig("@10.77.0.2", "www.example", "AAAA")
        dig("@fd77::2", "alias.example", "A")
        dig("@10.77.0.2", "nothing.example", "A")
        dig("@10.77.0.2", "long.example", "TXT", "+tcp")
        dig("@fd77::2", "long.example", "TXT", "+bufsize=512")


def record_icmp() -> None:
    forget_neighbours()
    with tcpdump("icmp.pcap", "--time-stamp-precision=nano"):
        ping("10.77.0.2")
        ping("fd77::2")
        for address in ("10.77.0.2", "fd77::2"):
            ping(address, "-s", "4000")
        # a closed port: ICMP and ICMPv6 errors with the packet inside
        run(*inside(CLIENT, "dig", "+tries=1", "+time=1", "-p", "9", "@10.77.0.2"), check=False)
        run(*inside(CLIENT, "dig", "+tries=1", "+time=1", "-p", "9", "@fd77::2"), check=False)


def record_two_interfaces() -> None:
    with background(
        *(CLIENT, "dumpcap", "-q", "-n", "-i", LINK, "-i", "lo"),
        *("-w", str(HERE / "two-interfaces.pcapng")),
        settle=2.0,
    ):
        ping("10.77.0.2")
        ping("127.0.0.1")
        ping("fd77::2")
        ping("::1")
    convert.forget_host(HERE / "two-interfaces.pcapng")
    (HERE / "two-interfaces.pcapng").chmod(0o644)


def main() -> int:
    if os.geteuid() != 0:
        print("record.py makes network namespaces: run it as root", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, network(), ExitStack() as stack:
        record_http(stack, Path(folder))
        record_dns(stack)
        record_icmp()
        record_two_interfaces()
    convert.main()
    describe.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
