"""Frames as networks send them, built with scapy: every wrapping that is peeled, around one packet."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.contrib.geneve import GENEVE
    from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
    from scapy.contrib.mpls import MPLS
    from scapy.layers.inet import IP, TCP, UDP, IPOption_Router_Alert
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
    from scapy.layers.l2 import GRE, LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Dot3, Ether, Loopback
    from scapy.layers.ppp import PPP, PPPoE
    from scapy.layers.vxlan import VXLAN
    from scapy.packet import Raw

Packet = Any
ETHERNET, RAW, LOOP, NULL, COOKED, COOKED_2, PPP_LINK, IPV4, IPV6 = 1, 12, 108, 0, 113, 276, 9, 228, 229


def ether(target: str = "02:00:00:00:00:02") -> Packet:
    return Ether(src="02:00:00:00:00:01", dst=target)


def over_4(layer: Packet) -> Packet:
    return IP(src="192.0.2.1", dst="192.0.2.2") / layer


def over_6(layer: Packet) -> Packet:
    return IPv6(src="2001:db8::1", dst="2001:db8::2") / layer


def tcp(source: int, target: int, payload: bytes = b"", flags: str = "A", options: bool = False) -> Packet:
    extra = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))] if options else []
    return TCP(sport=source, dport=target, flags=flags, options=extra) / Raw(payload)


def udp(source: int, target: int, payload: bytes) -> Packet:
    return UDP(sport=source, dport=target) / Raw(payload)


def _outer(layer: Packet) -> Packet:
    return ether() / IP(src="198.51.100.1", dst="198.51.100.2") / layer


def _outer_6(layer: Packet) -> Packet:
    return ether() / IPv6(src="fd00::1", dst="fd00::2") / layer


def _version(packet: Packet) -> int:
    return 0x0800 if packet.name == "IP" else 0x86DD


PLAIN: dict[str, Callable[[Packet], Packet]] = {
    "ethernet": lambda ip: ether() / ip,
    "vlan": lambda ip: ether() / Dot1Q(vlan=3) / ip,
    "qinq": lambda ip: ether() / Dot1AD(vlan=2) / Dot1Q(vlan=3) / ip,
    "two VLANs": lambda ip: ether() / Dot1Q(vlan=2) / Dot1Q(vlan=3) / ip,
    "pppoe": lambda ip: ether() / PPPoE() / PPP(proto=0x21 if ip.name == "IP" else 0x57) / ip,
    "mpls": lambda ip: ether() / MPLS(label=16, s=1) / ip,
    "mpls of three": lambda ip: ether() / MPLS(label=16, s=0) / MPLS(label=17, s=0) / MPLS(label=18, s=1) / ip,
}
"""Wrappings of Ethernet that the filter looks into."""

WRAPPED: dict[str, Callable[[Packet], Packet]] = {
    **PLAIN,
    "vlan and pppoe": lambda ip: ether() / Dot1Q(vlan=3) / PPPoE() / PPP(proto=0x21 if ip.name == "IP" else 0x57) / ip,
    "four VLANs": lambda ip: ether() / Dot1Q() / Dot1Q() / Dot1Q() / Dot1Q() / ip,
    "five labels": lambda ip: ether() / MPLS(s=0) / MPLS(s=0) / MPLS(s=0) / MPLS(s=0) / MPLS(s=1) / ip,
    "pseudowire with control word": lambda ip: ether() / MPLS(s=1) / Raw(bytes(4) + bytes(ether() / ip)),
    "pseudowire without": lambda ip: ether() / MPLS(s=1) / Raw(bytes(ether("42:00:00:00:00:02") / ip)),
    "provider backbone": lambda ip: Raw(bytes(ether())[:12] + b"\x88\xe7\0\0\0\1" + bytes(ether() / ip)),
    "security group": lambda ip: Raw(bytes(ether())[:12] + b"\x89\x09\1\1\0\1\0\7" + bytes(ether() / ip)[12:]),
    "snap": lambda ip: (
        Dot3(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        / LLC(dsap=0xAA, ssap=0xAA, ctrl=3)
        / SNAP(OUI=0, code=_version(ip))
        / ip
    ),
    "gre": lambda ip: _outer(GRE(proto=_version(ip)) / ip),
    "gre with everything": lambda ip: _outer(
        GRE(proto=_version(ip), key_present=1, key=7, seqnum_present=1, chksum_present=1) / ip
    ),
    "gre in IPv6 with Ethernet": lambda ip: _outer_6(GRE(proto=0x6558) / ether() / ip),
    "erspan 2": lambda ip: _outer(GRE(proto=0x88BE, seqnum_present=1) / Raw(b"\x10" + bytes(7)) / ether() / ip),
    "erspan 1": lambda ip: _outer(GRE(proto=0x88BE) / Raw(bytes(ether() / ip))),
    "pptp": lambda ip: (
        ether()
        / IP(proto=47)
        / Raw(b"\x30\x81\x88\x0b\0\x40\0\1\0\0\0\1\0\0\0\0\xff\x03\0" + (b"\x21" if ip.name == "IP" else b"\x57"))
        / ip
    ),
    "vxlan": lambda ip: _outer(UDP(sport=50000, dport=4789) / VXLAN(vni=3, flags=8) / ether() / ip),
    "vxlan, old port": lambda ip: _outer(
        UDP(sport=50000, dport=8472) / Raw(b"\x08\0\0\0\0\0\7\0" + bytes(ether() / ip))
    ),
    "geneve": lambda ip: _outer(UDP(sport=50000, dport=6081) / GENEVE(vni=3) / ether() / ip),
    "gtp": lambda ip: _outer(UDP(sport=2152, dport=2152) / GTP_U_Header(teid=3, gtp_type=255) / ip),
    "gtp of 5G": lambda ip: _outer(
        UDP(sport=2152, dport=2152) / GTP_U_Header(teid=3, gtp_type=255, E=1) / GTPPDUSessionContainer(QFI=1) / ip
    ),
    "mpls in udp": lambda ip: _outer(UDP(sport=50000, dport=6635) / MPLS(s=1) / ip),
    "tzsp": lambda ip: _outer(UDP(sport=50000, dport=37008) / Raw(b"\1\0\0\1\x0d\1\2\1" + bytes(ether() / ip))),
    "in IPv4": _outer,
    "in IPv6": _outer_6,
    "tunnel in tunnel": lambda ip: _outer(GRE() / IP(src="10.9.0.1", dst="10.9.0.2") / IPv6() / ip),
}

LINKS: dict[str, tuple[int, Callable[[Packet], Packet]]] = {
    "raw": (RAW, lambda ip: ip),
    "raw as files number it": (101, lambda ip: ip),
    "null": (NULL, lambda ip: Raw(b"\2\0\0\0" if ip.name == "IP" else b"\x1e\0\0\0") / ip),
    "null, other order": (NULL, lambda ip: Raw(b"\0\0\0\2" if ip.name == "IP" else b"\0\0\0\x1c") / ip),
    "loop": (LOOP, lambda ip: Loopback(type=2 if ip.name == "IP" else 24) / ip),
    "cooked": (COOKED, lambda ip: CookedLinux(proto=_version(ip)) / ip),
    "cooked with VLAN": (COOKED, lambda ip: CookedLinux(proto=0x8100) / Dot1Q(vlan=3) / ip),
    "cooked 2": (COOKED_2, lambda ip: CookedLinuxV2(proto=_version(ip)) / ip),
    "ppp": (PPP_LINK, lambda ip: Raw(b"\xff\x03") / PPP(proto=0x21 if ip.name == "IP" else 0x57) / ip),
}


def with_options(layer: Packet) -> Packet:
    return IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_Router_Alert()]) / layer


def with_extensions(layer: Packet) -> Packet:
    headers = IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt()
    return IPv6(src="2001:db8::1", dst="2001:db8::2") / headers / layer
