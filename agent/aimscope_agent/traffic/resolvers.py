"""Who hides names: well-known public resolvers asked over encryption, relays, and the fronts of hidden hellos.

Sources, read in November 2026: the table of resolvers in Chromium (`net/dns/public/doh_provider_entry.cc`), the lists
`category-doh` and `icloudprivaterelay` of v2fly's domain lists, and the documentation of Control D. Resolvers of
single persons are left out: no list is complete, and what this one lacks is still seen as a connection.
"""

from __future__ import annotations

from typing import Final

_HOSTS_TEXT: Final = """
    dns.google dns.google.com dns64.dns.google 8888.google
    cloudflare-dns.com chrome.cloudflare-dns.com mozilla.cloudflare-dns.com security.cloudflare-dns.com
    family.cloudflare-dns.com dns64.cloudflare-dns.com 1dot1dot1dot1.cloudflare-dns.com one.one.one.one
    dns.cloudflare.com
    dns.quad9.net dns9.quad9.net dns10.quad9.net dns11.quad9.net dns12.quad9.net
    doh.opendns.com doh.familyshield.opendns.com
    dns.nextdns.io
    dns.adguard-dns.com family.adguard-dns.com unfiltered.adguard-dns.com dns.adguard.com dns-family.adguard.com
    dns-unfiltered.adguard.com
    doh.cleanbrowsing.org adult-filter-dns.cleanbrowsing.org family-filter-dns.cleanbrowsing.org
    security-filter-dns.cleanbrowsing.org
    freedns.controld.com dns.controld.com
    doh.dns.apple.com doh.dns.sb doh.sb dns.sb
    dns.mullvad.net adblock.dns.mullvad.net base.dns.mullvad.net extended.dns.mullvad.net family.dns.mullvad.net
    all.dns.mullvad.net
    dns.surfsharkdns.com basic.rethinkdns.com wikimedia-dns.org ordns.he.net
    zero.dns0.eu protective.joindns4.eu child.joindns4.eu noads.joindns4.eu child-noads.joindns4.eu
    unfiltered.joindns4.eu
    private.canadianshield.cira.ca protected.canadianshield.cira.ca family.canadianshield.cira.ca
    dns.alidns.com doh.pub sm2.doh.pub doh.360.cn doh.onedns.net doh-pure.onedns.net
    doh.xfinity.com dot.xfinity.com doh.cox.net dot.cox.net doh-01.spectrum.com doh-02.spectrum.com dns.shaw.ca
    doh.quickline.ch dot.quickline.ch dns.levonet.sk odvr.nic.cz dns.switch.ch dns.digitale-gesellschaft.ch
    public.dns.iij.jp dns.twnic.tw doh.applied-privacy.net doh.libredns.gr doh.ffmuc.net dnsforge.de
    resolver.dnsprivacy.org.uk kaitain.restena.lu dns.comss.one
    common.dot.dns.yandex.net safe.dot.dns.yandex.net family.dot.dns.yandex.net
"""
_BELOW_TEXT: Final = """
    dns.nextdns.io dns.controld.com freedns.controld.com cloudflare-gateway.com dns.sb doh.sb cloudflare-dns.com
"""
_ADDRESSES_TEXT: Final = """
    8.8.8.8 8.8.4.4 2001:4860:4860::8888 2001:4860:4860::8844 2001:4860:4860::64 2001:4860:4860::6464
    1.1.1.1 1.0.0.1 1.1.1.2 1.0.0.2 1.1.1.3 1.0.0.3 2606:4700:4700::1111 2606:4700:4700::1001
    2606:4700:4700::1112 2606:4700:4700::1002 2606:4700:4700::1113 2606:4700:4700::1003
    9.9.9.9 149.112.112.112 9.9.9.10 149.112.112.10 9.9.9.11 149.112.112.11
    2620:fe::fe 2620:fe::9 2620:fe::10 2620:fe::fe:10 2620:fe::11 2620:fe::fe:11
    208.67.222.222 208.67.220.220 208.67.222.123 208.67.220.123
    2620:119:35::35 2620:119:53::53 2620:119:35::123 2620:119:53::123
    185.228.168.9 185.228.169.9 185.228.168.10 185.228.169.11 185.228.168.168 185.228.169.168
    185.222.222.222 45.11.45.11 185.43.135.1 193.17.47.1 86.54.11.1 86.54.11.201
    75.75.75.75 75.75.76.76
"""
_HOSTS: Final = frozenset(_HOSTS_TEXT.split())
_BELOW: Final = frozenset(_BELOW_TEXT.split())
"""Domains whose hosts are resolvers of one customer each: `<customer>.dns.nextdns.io`."""

RELAYS: Final = frozenset({"mask.icloud.com", "mask-h2.icloud.com"})
"""Relays that carry all of a client's browsing: iCloud Private Relay."""

FRONTS: Final = frozenset({"cloudflare-ech.com"})
"""Public names that stand before hidden ones: a hello that shows one of these is no decoy."""

ADDRESSES: Final = frozenset(_ADDRESSES_TEXT.split())
"""Addresses of such resolvers: for hellos that name nobody."""


def is_resolver(name: str) -> bool:
    """Whether a host is a well-known resolver that is asked over encryption."""
    if name in _HOSTS:
        return True
    cut = name.find(".")
    return cut > 0 and (name[cut + 1 :] in _BELOW)
