"""Which packets are worth reading: a BPF expression that the kernel or libpcap applies before Python sees anything.

What names are read from begins a conversation or is sent by a client; nearly all bytes are the rest. Kept is:

* UDP from or to a port of DNS, mDNS or LLMNR, QUIC packets with a long header and hellos of DTLS (any port),
  PROXY headers, tunnels.
* TCP from or to port 53; packets with SYN, FIN or RST (volumes are told from their sequence numbers); and every
  payload, on any port, in both directions, **except** what surely is a server's answer: sent *from* a well-known port
  of servers *to* a port that is none, and not beginning like a client's first words. Which side is the client is not
  visible in a single packet, so only the ports can say it; where they do not, everything is kept. The rest of a hello
  that spans segments, in whatever order, is therefore kept without being recognised.
* Whatever is not plainly IP with TCP or UDP: fragments, extension headers, options, and wrappings at whose inside the
  expression does not look. It does for tags, labels and PPPoE, and, more coarsely, for the tunnels that are usual.

Dropped besides answers: segments without payload, other packets of QUIC, ICMP, IGMP, ESP (nobody can read it), ARP.

Not kept, knowingly: the second segment of a hello that a client sends *from* a well-known port of servers (443, 8080)
to a port that is not well known; versions of QUIC before Q046, which named themselves differently.

**How it is written.** In BPF, ``vlan``, ``mpls`` and ``pppoes`` shift the offsets of all later terms, and ``tcp[…]``
does not see IPv6. So nothing is used but numbers at fixed offsets from the start of the frame (``link[…]``). Variable
offsets are avoided for one reason more: on cooked devices the kernel's filter sees no link header, and libpcap
corrects fixed offsets only. Headers of unusual length are kept instead of being measured. On a device whose VLAN tags
the network card takes off, the kernel's filter sees the frame untagged, which the same terms read correctly.

Each place where IP may begin costs instructions of its own. The kernel accepts 4,096 of them, and libpcap takes a time
to compile them that grows with their square: so wrappings share a place where they can, what is not listed here is
kept rather than filtered at yet another offset, and for files there is a ``light_filter`` to begin with.

A load beyond the captured bytes rejects the packet. So terms stand in the order in which their bytes lie.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import NamedTuple

from aimscope_agent.intake.packets import CaptureError, libpcap, program

_ETHERNET = 1
_LINUX_COOKED = 113
_LINUX_COOKED_2 = 276
_TYPED = {_ETHERNET: (12, 14), _LINUX_COOKED: (14, 16), _LINUX_COOKED_2: (0, 20)}
"""Link types with an Ethernet type: where it is, and where IP begins."""
_RAW_IP = 12
_RAW = frozenset({12, 14, 101, 228, 229})
_LOOPBACK = frozenset({0, 108})

_IP = (0x0800, 0x86DD)
_PPP_IP = (0x0021, 0x0057)
_ARP = 0x0806
_VLAN = 0x8100
_QINQ = 0x88A8
_PPPOE = 0x8864
_MPLS = 0x8847

_TCP = 6
_UDP = 17
_IPIP = 4
_6IN4 = 41
_GRE = 47
_NOT_READ = (1, 2, 50, 58)
"""ICMP, IGMP, ESP, ICMPv6."""

_DNS = (53, 5353, 5355)
_GTP = 2152
_VXLAN = (4789, 8472)
_TUNNELS = (_GTP, *_VXLAN, 4754, 4790, 6081, 6635, 37008)
_SERVERS_BELOW = 1024
_SERVERS = (
    *(1080, 1433, 1935, 3128, 3306, 3389, 5001, 5201, 5222, 5228, 5432, 5900),
    *(8000, 8080, 8081, 8443, 8888, 9000, 9443),
)
"""Ports above 1023 from which much is sent, and that clients' systems do not choose."""
_CLIENTS_FROM = 32_768
"""Where the systems of clients begin to choose their ports (Linux; Windows and macOS: 49152)."""

_OF_FRAMES = re.compile(
    r"\b(?:ether|link|wlan|fddi|tr|ppp|slip|vlan|mpls|pppoe[ds]|inbound|outbound|ifname|type|subtype|dir|lane|vpi|vci)\b"
)
"""Words about what is before IP."""

_CAPITALS = (0x40404000, 0xE0E0E080)
"""Three letters in upper case, or their neighbours in ASCII, and one more character: ``GET ``, ``PROX``, any method."""
_ANSWER = int.from_bytes(b"HTTP")
_SOCKS = (0x0400, 0xFEFC)
"""Version 4 or 5, and a command or a number of methods below 4."""
_PROXY = 0x0D0A0D0A
_TLS = 0x1603
_DTLS = 0x16FE
"""A handshake, of any version."""


def traffic_filter(link: int) -> str:
    """The expression for a link type. Empty, which keeps everything, for one that is not common."""
    return _framed(*_TYPED[link]) if link in {_ETHERNET, _LINUX_COOKED} else light_filter(link)


def light_filter(link: int) -> str:
    """As ``traffic_filter``, but looking into bare frames only: of a tenth of its length, and compiled at once."""
    if link in _TYPED:
        return _typed(*_TYPED[link], wrapped=False)
    if link in _RAW:
        return _by_version(0, wrapped=False)
    if link in _LOOPBACK:
        return _by_version(4, wrapped=False)
    return ""


class Chosen(NamedTuple):
    """Which packets of the traffic to read."""

    thorough: Callable[[int], str]
    light: Callable[[int], str]
    """Sooner made; lets at least the same pass."""
    passes: Callable[[bytes], int] | None = None
    """An expression of the user's own, for IP packets: to be asked of what is in the frames that pass."""
    note: str = ""
    """What to know about the expression."""


def chosen(expression: str) -> Chosen:
    """The traffic, or of it what an expression of the user's own lets pass. Raises ``CaptureError``.

    Such an expression sees nothing below tags and labels, and only the outside of tunnels. So frames in which there
    may be more than it sees pass in any case, and it is asked again about the packets in them.
    """
    if not expression:
        return Chosen(traffic_filter, light_filter)
    if libpcap is None:
        raise CaptureError("a filter needs libpcap: pip install 'aimscope[gateway]'")
    passes = None
    if not _OF_FRAMES.search(expression):
        with contextlib.suppress(CaptureError):  # what nobody understands is said when a capture is opened
            passes = program(libpcap, expression, _RAW_IP)
    within = passes is not None
    return Chosen(
        narrowed(expression, within=within),
        narrowed(expression, light_filter, within=within),
        passes,
        "" if within else f"The filter ({expression}) is about frames: it was not asked of what tags or tunnels wrap.",
    )


def narrowed(
    expression: str, of: Callable[[int], str] = traffic_filter, *, within: bool = False
) -> Callable[[int], str]:
    """The filter for those packets among the traffic that an expression of the user's own lets pass as well.

    With ``within``, also for those in which there may be more than the expression sees.
    """

    def both(link: int) -> str:
        traffic = of(link)
        if within and (not traffic or link in _LOOPBACK):  # whose families libpcap knows in one order only
            return traffic
        if not traffic:
            return expression
        # The user's comes last: a term of it may shift the offsets of all that follow.
        return f"({traffic}) and ({_wraps(link)} or ({expression}))" if within else f"({traffic}) and ({expression})"

    return both


def _wraps(link: int) -> str:
    """Frames with anything but a whole TCP or UDP packet where IP is usual, or with a packet that may be a tunnel's."""
    if link in _TYPED:
        kind, body = _TYPED[link]
        four, six, other = (_in(kind, 2, _IP[:1]), _in(kind, 2, _IP[1:]), f"not {_in(kind, 2, _IP)}")
    else:
        body, four, six = 0, _in(0, 1, (0x40,), 0xF0), _in(0, 1, (0x60,), 0xF0)
        other = f"not {_in(0, 1, (0x40, 0x60), 0xF0)}"
    return _any(
        other,
        _all(four, _any(f"link[{body}] != 0x45", f"link[{body + 6}:2] & 0x3fff != 0", _carries(body + 9, body + 20))),
        _all(six, _carries(body + 6, body + 40)),
    )


def _carries(protocol: int, body: int) -> str:
    tunnel = _any(_in(body, 2, (_GTP,)), _in(body + 2, 2, _TUNNELS))
    return _any(f"not {_in(protocol, 1, (_TCP, _UDP))}", _all(_in(protocol, 1, (_UDP,)), tunnel))


def _framed(kind: int, body: int) -> str:
    """A frame with an Ethernet type at ``kind`` and a payload at ``body``: bare, tagged, in PPPoE or under labels.

    Wrappings are told apart by where they let IP begin, not by what they are: each place costs instructions once.
    """
    tagged = _in(kind, 2, (_VLAN, _QINQ))
    twice = _all(tagged, _in(kind + 4, 2, (_VLAN,)))
    labelled = _in(kind, 2, (_MPLS,))
    places = {
        body + 4: (_all(tagged, _in(kind + 4, 2, _IP)), _all(labelled, _bottom(body, 1))),
        body + 8: (
            _all(twice, _in(kind + 8, 2, _IP)),
            _all(_in(kind, 2, (_PPPOE,)), _in(body + 6, 2, _PPP_IP)),
            _all(labelled, _bottom(body, 2)),
        ),
        body + 12: (_all(labelled, _bottom(body, 3)),),
    }
    return _any(
        _all(_in(kind, 2, _IP[:1]), _version_4(body, tunnels=True)),
        _all(_in(kind, 2, _IP[1:]), _version_6(body)),
        *(_all(_any(*wrappings), _by_version(place, wrapped=False)) for place, wrappings in places.items()),
        f"not {_any(_in(kind, 2, (*_IP, _ARP)), *(wrapping for each in places.values() for wrapping in each))}",
    )


def _bottom(label: int, number: int) -> str:
    """The label of that number, of four bytes each, is the last of a stack of MPLS."""
    above = (f"not {_in(label + 4 * before + 2, 1, (1,), 1)}" for before in range(number - 1))
    return _all(*above, _in(label + 4 * number - 2, 1, (1,), 1))


def _typed(kind: int, body: int, *, size: int = 2, wrapped: bool = True) -> str:
    """IP by the number of ``size`` bytes before it. Others are kept, but for ARP."""
    return _any(
        _all(_in(kind, size, _IP[:1]), _version_4(body, wrapped=wrapped)),
        _all(_in(kind, size, _IP[1:]), _version_6(body, wrapped=wrapped)),
        f"not {_in(kind, size, (*_IP, _ARP))}",
    )


def _by_version(at: int, *, wrapped: bool) -> str:
    """IP by its own first digit; anything else is kept."""
    return _any(
        _all(_in(at, 1, (0x40,), 0xF0), _version_4(at, wrapped=wrapped)),
        _all(_in(at, 1, (0x60,), 0xF0), _version_6(at, wrapped=wrapped)),
        f"not {_in(at, 1, (0x40, 0x60), 0xF0)}",
    )


def _version_4(at: int, *, wrapped: bool = False, tunnels: bool = False) -> str:
    """IPv4 at an offset: unusual headers and fragments are kept, TCP and UDP looked into."""
    protocol, body = at + 9, at + 20
    looked_into: tuple[int, ...] = (_TCP, _UDP)
    inside: tuple[str, ...] = ()
    if tunnels:
        looked_into = (*looked_into, _IPIP, _6IN4, _GRE)
        inside = (
            _all(_in(protocol, 1, (_IPIP,)), _version_4(body, wrapped=True)),
            _all(_in(protocol, 1, (_6IN4,)), _version_6(body, wrapped=True)),
            _all(_in(protocol, 1, (_GRE,)), _typed(body, body + 4, size=4)),  # without options
        )
    return _any(
        f"link[{at}] != 0x45",
        f"link[{at + 6}:2] & 0x3fff != 0",
        _all(_in(protocol, 1, (_TCP,)), _tcp(body, f"link[{at + 2}:2]", 20, wrapped=wrapped)),
        _all(_in(protocol, 1, (_UDP,)), _udp_tunnels(body) if tunnels else _udp(body, wrapped=wrapped)),
        *inside,
        f"not {_in(protocol, 1, (*looked_into, *_NOT_READ))}",
    )


def _version_6(at: int, *, wrapped: bool = False) -> str:
    protocol, body = at + 6, at + 40
    return _any(
        _all(_in(protocol, 1, (_TCP,)), _tcp(body, f"link[{at + 4}:2]", 0, wrapped=wrapped)),
        _all(_in(protocol, 1, (_UDP,)), _udp(body, wrapped=wrapped)),
        f"not {_in(protocol, 1, (_TCP, _UDP, *_NOT_READ))}",
    )


def _tcp(at: int, length: str, before: int, *, wrapped: bool) -> str:
    """TCP at an offset. ``length`` is the field that counts it, and ``before`` the bytes it counts besides."""
    source, target, size = at, at + 2, at + 12
    if wrapped:
        asked = f"(link[{source}:2] >= {_SERVERS_BELOW} or link[{target}:2] <= {max(_SERVERS)})"
    else:
        answer = _any(
            _all(
                f"link[{source}:2] < {_SERVERS_BELOW}",
                f"link[{target}:2] >= {_SERVERS_BELOW}",
                _any(f"link[{target}:2] >= {_CLIENTS_FROM}", f"not {_in(target, 2, _SERVERS)}"),
            ),
            _all(f"link[{target}:2] >= {_CLIENTS_FROM}", _in(source, 2, _SERVERS)),
        )
        asked = f"not {answer}"
    # Network cards that split segments themselves leave the length empty: less than nothing is very much.
    payload = f"{length} - ((link[{size}] & 0xf0) >> 2) > {before}"
    begins = _any(
        _all(_in(size, 1, (0x80,), 0xF0), _first_words(at + 32)),
        _all(_in(size, 1, (0x50,), 0xF0), _first_words(at + 20)),
        f"not {_in(size, 1, (0x50, 0x80), 0xF0)}",
    )
    return _any(f"link[{at + 13}] & 7 != 0", _all(payload, _any(asked, _in(source, 2, (53,)), begins)))


def _first_words(at: int) -> str:
    """What clients say first: requests, greetings of SOCKS, hellos of TLS, headers of proxies.

    Most of what is answered is encrypted, any byte as likely as another: few comparisons dismiss it.
    """
    number = f"link[{at}:4]"
    return _any(
        _all(_in(at, 2, (_TLS,)), _in(at + 5, 1, (1,))),
        _in(at, 2, _SOCKS[:1], _SOCKS[1]),
        _in(at, 4, (_PROXY,)),
        _all(f"{number} & {_CAPITALS[1]:#x} = {_CAPITALS[0]:#x}", f"{number} != {_ANSWER:#x}"),
    )


def _udp(at: int, *, wrapped: bool = False) -> str:
    """UDP at an offset. Its payload is looked at last: it may be shorter than what is looked for."""
    return _any(_in(at, 2, (*_DNS, _GTP)), _in(at + 2, 2, (*_DNS, *_TUNNELS)), _first_datagram(at, wrapped=wrapped))


def _first_datagram(at: int, *, wrapped: bool) -> str:
    """QUIC's long header, of a version that is in use; hellos of DTLS; headers of proxies."""
    payload, version = at + 8, at + 9
    long = _in(payload, 1, (0xC0,), 0xC0)
    quic = _any(
        _in(version, 4, (0, 1, 0x6B3343CF)),  # negotiation, 1 and 2
        _in(version, 4, (0xFF000000,), 0xFFFFFF00),  # drafts
        _in(version, 4, (0x0A0A0A0A,), 0x0F0F0F0F),  # reserved, to provoke negotiation
        _in(version, 4, (0x51300000, 0x54300000), 0xFFFF0000),  # Google's Q0.. and T0..
        _in(version, 4, (0xFACEB000,), 0xFFFFFFF0),  # Facebook's
    )
    begins = _any(_in(payload, 4, (_PROXY,)), _in(payload, 2, (_DTLS,)), long if wrapped else _all(long, quic))
    return _all(f"link[{at + 4}:2] >= 16", begins)


def _udp_tunnels(at: int) -> str:
    """UDP that may be a tunnel: VXLAN, and GTP without optional fields, are looked into, others kept."""
    source, target, payload = at, at + 2, at + 8
    looked_into = (_GTP, *_VXLAN)
    kept = (*_DNS, *(port for port in _TUNNELS if port not in looked_into))
    vxlan = _any(f"not {_in(payload, 1, (0x08,))}", _typed(payload + 20, payload + 22))
    gtp = _any(f"not {_in(payload, 2, (0x30FF,))}", _by_version(payload + 8, wrapped=True))
    return _any(
        _in(source, 2, _DNS),
        _in(target, 2, kept),
        _all(_in(target, 2, _VXLAN), vxlan),
        _all(_in(target, 2, (_GTP,)), gtp),
        _all(f"not {_in(target, 2, looked_into)}", _any(_in(source, 2, (_GTP,)), _first_datagram(at, wrapped=False))),
    )


def _in(at: int, size: int, values: tuple[int, ...], mask: int | None = None) -> str:
    """The number of ``size`` bytes at an offset from the start of the frame, masked, is one of the values."""
    number = f"link[{at}:{size}]" + ("" if mask is None else f" & {mask:#x}")
    return _any(*(f"{number} = {value:#x}" for value in values))


def _any(*terms: str) -> str:
    return terms[0] if len(terms) == 1 and terms[0].startswith("(") else f"({' or '.join(terms)})"


def _all(*terms: str) -> str:
    return f"({' and '.join(terms)})"
