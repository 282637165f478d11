from __future__ import annotations

import ipaddress

import pytest

from blinktun.destination import AddressKind, destinations, kind_of, parse_ip

LOOPBACK = [
    *(
        "127.0.0.1",
        "127.1",
        "127.255.255.254",
        "0x7f.1",
        "0X7F000001",
        "017700000001",
        "2130706433",
    ),
    *("::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::127.0.0.1", "2002:7f00:1::", "2002:7f00:1:1::1", "fe80::5efe:7f00:1"),
    *("2001:db8::200:5efe:127.0.0.1", "2001:0:7f00:1::", "2001:0:808:808::80ff:fffe", "::1%lo"),
]
UNSPECIFIED = ["0.0.0.0", "0", "0x0", "00.0", "::", "::ffff:0.0.0.0", "0.1.2.3", "2002::"]
OTHERS = {
    AddressKind.LINK_LOCAL: ["169.254.169.254", "fe80::1%eth0", "::ffff:a9fe:a9fe", "0xa9fea9fe"],
    AddressKind.METADATA: ["fd00:ec2::254", "100.100.100.200", "64:ff9b::168.63.129.16"],
    AddressKind.MULTICAST: ["224.0.0.1", "239.255.255.255", "ff02::1", "::ffff:224.0.0.1"],
    AddressKind.BROADCAST: ["255.255.255.255", "0xffffffff", "::ffff:255.255.255.255"],
    AddressKind.TRANSLATED: ["64:ff9b:1::127.0.0.1", "64:ff9b:1:7f00:0:100::", "64:ff9b:1::1"],
    AddressKind.PRIVATE: [
        *("10.0.0.1", "172.16.5.5", "192.168.0.1", "100.64.0.1", "fd00::1"),
        *("64:ff9b::10.0.0.1", "fec0::1", "240.0.0.1"),
    ],
    AddressKind.PUBLIC: [
        *("8.8.8.8", "2a00:1450::1", "64:ff9b::8.8.8.8", "2002:808:808::1"),
        *("::ffff:8.8.8.8", "0x08080808"),
    ],
}
TABLE = [
    *((text, AddressKind.LOOPBACK) for text in LOOPBACK),
    *((text, AddressKind.UNSPECIFIED) for text in UNSPECIFIED),
    *((text, kind) for kind, texts in OTHERS.items() for text in texts),
]


@pytest.mark.parametrize(("text", "kind"), TABLE, ids=[text for text, _ in TABLE])
def test_every_notation(text: str, kind: AddressKind) -> None:
    ip = parse_ip(text)
    assert ip is not None
    # An address inside ISATAP's or 6to4's is named by the most private of its destinations.
    expected = {kind, AddressKind.LINK_LOCAL} if text.startswith("fe80") else {kind}
    assert kind_of(ip) in expected


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3.4.", "127.0.0.1 x", "a.b", "::g", "0xg"])
def test_what_is_no_address(text: str) -> None:
    assert parse_ip(text) is None


def test_the_kernel_takes_the_unspecified_address_for_loopback() -> None:
    loopback = ipaddress.ip_address("127.0.0.1")
    for text in ("0.0.0.0", "::", "::ffff:0.0.0.0", "64:ff9b::"):
        assert loopback in set(destinations(ipaddress.ip_address(text)))
    assert ipaddress.ip_address("::1") in set(destinations(ipaddress.ip_address("::")))
