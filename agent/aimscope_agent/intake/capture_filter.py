"""Which packets are worth reading: a BPF expression that the kernel or libpcap applies before Python sees anything.

What names are read from begins a conversation or is sent by a client; nearly all bytes are the rest. Kept is:

* UDP from or to a port of DNS, mDNS or LLMNR, QUIC packets with a long header and hellos of DTLS (any port),
  PROXY headers, tunnels.
* TCP from or to port 53; packets with SYN, FIN or RST (volumes are told from their sequence numbers); and every
  payload, on any port, in both directions, **except** what surely is a server's answer: sent *from* a well-known port
  of servers *to* a port that is none, and not beginning like a client's first words. Which side is the client is not
  visible in a single packet, so only the ports can say it; where they do not, everything is kept. The rest of a hello
  that spans segments, in whatever order, is therefore kept without being recognised.
* Whatever is not plainly IP with TCP or UDP: fragments, extension headers, options, tunnels, other wrappings.

Dropped besides answers: segments without payload, other packets of QUIC, ICMP, IGMP, ESP (nobody can read it), ARP.

Not kept, knowingly: the second segment of a hello that a client sends *from* a well-known port of servers (443, 8080)
to a port that is not well known; versions of QUIC before Q046, which named themselves differently.

**How it is written.** In BPF, ``vlan``, ``mpls`` and ``pppoes`` shift the offsets of all later terms, and ``tcp[…]``
does not see IPv6. So nothing is used but numbers at fixed offsets from the start of the frame (``link[…]``). Variable
offsets are avoided for one reason more: on cooked devices the kernel's filter sees no link header, and libpcap
corrects fixed offsets only. Headers of unusual length are kept instead of being measured. On a device whose VLAN tags
the network card takes off, the kernel's filter sees the frame untagged, which the same terms read correctly. The
kernel accepts 4,096 instructions: what is not listed here is kept rather than filtered at yet another offset.

A load beyond the captured bytes rejects the packet. So terms stand in the order in which their bytes lie.
"""

from __future__ import annotations

from collections.abc import Callable

_ETHERNET = 1
_LINUX_COOKED = 113
_LINUX_COOKED_2 = 276
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
_NOT_READ = (1, 2, 50, 58)
"""ICMP, IGMP, ESP, ICMPv6."""

_DNS = (53, 5353, 5355)
_GTP = 2152
_TUNNELS = (_GTP, 4754, 4789, 4790, 6081, 6635, 8472, 37008)
_SERVERS_BELOW = 1024
_SERVERS = (
    *(1080, 1433, 1935, 3128, 3306, 3389, 5001, 5201, 5222, 5228, 5432, 5900),
    *(8000, 8080, 8081, 8443, 8888, 9000, 9443),
)
"""Ports above 1023 from which much is sent, and that clients' systems do not choose."""
_CLIENTS_FROM = 32_768
"""Where the systems of clients begin to choose their ports (Linux; Windows and macOS: 49152)."""

_WORDS = (b"GET ", b"POST", b"PUT ", b"HEAD", b"CONN", b"OPTI", b"PATC", b"DELE", b"TRAC", b"PRI ", b"PROX")
_PROXY = (0x0D0A0D0A,)
_DTLS = (0x16FE,)
"""A handshake, of any version."""
_SOCKS = (0x0401, 0x0402, 0x0501, 0x0502, 0x0503)


def traffic_filter(link: int) -> str:
    """The expression for a link type. Empty, which keeps everything, for one that is not common."""
    if link == _ETHERNET:
        return _framed(12, 14)
    if link == _LINUX_COOKED:
        return _framed(14, 16)
    if link == _LINUX_COOKED_2:
        return _typed(0, 20)
    if link in _RAW:
        return _by_version(0)
    if link in _LOOPBACK:
        return _by_version(4)
    return ""


def narrowed(expression: str) -> Callable[[int], str]:
    """The filter for those packets among the traffic that an expression of the user's own lets pass as well.

    The user's comes last: a term of it may shift the offsets of all that follow.
    """

    def both(link: int) -> str:
        traffic = traffic_filter(link)
        return f"({traffic}) and ({expression})" if traffic else expression

    return both


def _framed(kind: int, body: int) -> str:
    """A frame with an Ethernet type at ``kind`` and a payload at ``body``: bare, tagged, in PPPoE or under labels."""
    known = (*_IP, _VLAN, _QINQ, _PPPOE, _MPLS)
    return _any(
        _typed(kind, body, known),
        _all(_in(kind, 2, (_VLAN, _QINQ)), _tagged(body)),
        _all(_in(kind, 2, (_PPPOE,)), _typed(body + 6, body + 8, _PPP_IP, _PPP_IP)),
        _all(_in(kind, 2, (_MPLS,)), _labelled(body)),
    )


def _tagged(tag: int, deeper: bool = True) -> str:
    """After a VLAN tag: a type, perhaps that of a second tag."""
    kind = tag + 2
    if not deeper:
        return _typed(kind, kind + 2)
    return _any(
        _typed(kind, kind + 2, (*_IP, _VLAN)),
        _all(_in(kind, 2, (_VLAN,)), _tagged(kind + 2, deeper=False)),
    )


def _labelled(label: int, left: int = 3) -> str:
    """MPLS: up to three labels, then IP by its version. More labels, and other payloads, are kept."""
    inside = _any(_by_version(label + 4), f"not {_in(label + 4, 1, (0x40, 0x60), 0xF0)}")
    last = _in(label + 2, 1, (1,), 1)
    if left == 1:
        return _any(f"not {last}", inside)
    return _any(_all(last, inside), _all(f"not {last}", _labelled(label + 4, left - 1)))


def _typed(kind: int, body: int, known: tuple[int, ...] = _IP, ip: tuple[int, int] = _IP) -> str:
    """IP by the type before it; types that are not among the ``known`` are kept, but for ARP."""
    return _any(
        _all(_in(kind, 2, ip[:1]), _version_4(body)),
        _all(_in(kind, 2, ip[1:]), _version_6(body)),
        f"not {_in(kind, 2, (*known, _ARP))}",
    )


def _by_version(at: int) -> str:
    return _any(
        _all(_in(at, 1, (0x40,), 0xF0), _version_4(at)),
        _all(_in(at, 1, (0x60,), 0xF0), _version_6(at)),
    )


def _version_4(at: int) -> str:
    """IPv4 at an offset: unusual headers and fragments are kept, TCP and UDP looked into."""
    return _any(
        f"link[{at}] != 0x45",
        f"link[{at + 6}:2] & 0x3fff != 0",
        _all(_in(at + 9, 1, (_TCP,)), _tcp(at + 20, f"link[{at + 2}:2]", 20)),
        _all(_in(at + 9, 1, (_UDP,)), _udp(at + 20)),
        f"not {_in(at + 9, 1, (_TCP, _UDP, *_NOT_READ))}",
    )


def _version_6(at: int) -> str:
    return _any(
        _all(_in(at + 6, 1, (_TCP,)), _tcp(at + 40, f"link[{at + 4}:2]", 0)),
        _all(_in(at + 6, 1, (_UDP,)), _udp(at + 40)),
        f"not {_in(at + 6, 1, (_TCP, _UDP, *_NOT_READ))}",
    )


def _tcp(at: int, length: str, before: int) -> str:
    """TCP at an offset. ``length`` is the field that counts it, and ``before`` the bytes it counts besides."""
    source, target, size = at, at + 2, at + 12
    answer = _any(
        _all(
            f"link[{source}:2] < {_SERVERS_BELOW}",
            f"link[{target}:2] >= {_SERVERS_BELOW}",
            _any(f"link[{target}:2] >= {_CLIENTS_FROM}", f"not {_in(target, 2, _SERVERS)}"),
        ),
        _all(f"link[{target}:2] >= {_CLIENTS_FROM}", _in(source, 2, _SERVERS)),
    )
    # Network cards that split segments themselves leave the length empty.
    payload = _any(f"{length} = 0", f"{length} > {before} + ((link[{size}] & 0xf0) >> 2)")
    begins = _any(
        _all(_in(size, 1, (0x80,), 0xF0), _first_words(at + 32)),
        _all(_in(size, 1, (0x50,), 0xF0), _first_words(at + 20)),
        f"not {_in(size, 1, (0x50, 0x80), 0xF0)}",
    )
    return _any(
        f"link[{at + 13}] & 7 != 0",
        _all(payload, _any(f"not {answer}", _in(source, 2, (53,)), _in(target, 2, (53,)), begins)),
    )


def _first_words(at: int) -> str:
    """What clients say first: greetings of SOCKS, hellos of TLS, headers of proxies, requests.

    Most of what is asked is encrypted, any byte as likely as another: ranges dismiss it with two or three comparisons.
    """
    binary = _any(_in(at, 2, _SOCKS), _all(_in(at, 2, (0x1603,)), _in(at + 5, 1, (1,))), _in(at, 4, _PROXY))
    words = _in(at, 4, tuple(int.from_bytes(word) for word in _WORDS))
    first, last = min(word[0] for word in _WORDS), max(word[0] for word in _WORDS)
    return _any(
        _all(f"link[{at}] <= {last}", f"link[{at}] >= {first}", words),
        _all(f"link[{at}] <= 0x16", binary),
    )


def _udp(at: int) -> str:
    """UDP at an offset. Its payload is looked at last: it may be shorter than what is looked for."""
    payload, version = at + 8, at + 9
    quic = _any(
        _in(version, 4, (0, 1, 0x6B3343CF)),  # negotiation, 1 and 2
        _in(version, 4, (0xFF000000,), 0xFFFFFF00),  # drafts
        _in(version, 4, (0x0A0A0A0A,), 0x0F0F0F0F),  # reserved, to provoke negotiation
        _in(version, 4, (0x51300000, 0x54300000), 0xFFFF0000),  # Google's Q0.. and T0..
        _in(version, 4, (0xFACEB000,), 0xFFFFFFF0),  # Facebook's
    )
    return _any(
        _in(at, 2, (*_DNS, _GTP)),
        _in(at + 2, 2, (*_DNS, *_TUNNELS)),
        _all(
            f"link[{at + 4}:2] >= 16",
            _any(
                _in(payload, 4, _PROXY),
                _in(payload, 2, _DTLS),
                _all(_in(payload, 1, (0xC0,), 0xC0), quic),
            ),
        ),
    )


def _in(at: int, size: int, values: tuple[int, ...], mask: int | None = None) -> str:
    """The number of ``size`` bytes at an offset from the start of the frame, masked, is one of the values."""
    number = f"link[{at}:{size}]" + ("" if mask is None else f" & {mask:#x}")
    return _any(*(f"{number} = {value:#x}" for value in values))


def _any(*terms: str) -> str:
    return terms[0] if len(terms) == 1 and terms[0].startswith("(") else f"({' or '.join(terms)})"


def _all(*terms: str) -> str:
    return f"({' and '.join(terms)})"
