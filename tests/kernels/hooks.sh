#!/bin/sh
# SPDX-License-Identifier: MIT
# hooks.sh HOOK: two namespaces on a veth pair; says whether a ping arrives before, while and
# after hook.c drops it at tcx and at clsact. The words are those that test_boot.py asserts.
set -e
hook=$1
ip netns add near
ip netns add far
ip link add near0 netns near type veth peer name far0 netns far
ip -n near addr add 192.0.2.1/24 dev near0
ip -n far addr add 192.0.2.2/24 dev far0
ip -n near link set near0 up
ip -n far link set far0 up

says() {
    if ip netns exec near ping -q -c 2 -i 0.3 -W 2 192.0.2.2 >/dev/null; then
        echo "$1: arrives"
    else
        echo "$1: dropped"
    fi
}
says "without a hook"

mkfifo /tmp/linked
ip netns exec far "$hook" tcx far0 >/tmp/linked &
read -r answer </tmp/linked || answer=refused
if [ "$answer" = linked ]; then
    says "tcx"
    kill -9 $!
    wait $! 2>/dev/null || true
    says "tcx, killed"
else
    echo "tcx: refused"
fi

"$hook" pin /sys/fs/bpf/dropper
ip netns exec far tc qdisc add dev far0 clsact
# ip netns exec has a /sys of its own, without the pins: tc opens this one by its descriptor.
exec 9</sys/fs/bpf
ip netns exec far tc filter add dev far0 ingress bpf direct-action \
    object-pinned /proc/self/fd/9/dropper
says "clsact"
ip netns exec far tc qdisc del dev far0 clsact
says "clsact, removed"
