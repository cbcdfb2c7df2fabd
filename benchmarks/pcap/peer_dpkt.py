"""What a reader written in an afternoon with dpkt finds: questions, and hellos that fit one segment."""

from __future__ import annotations

import sys
from pathlib import Path

import dpkt


def main() -> None:
    with Path(sys.argv[1]).open("rb") as file:
        for _, data in dpkt.pcap.Reader(file):
            try:
                packet = dpkt.ethernet.Ethernet(data).data
                segment = packet.data
                if isinstance(segment, dpkt.udp.UDP) and segment.dport == 53:
                    print("dns_qname", dpkt.dns.DNS(segment.data).qd[0].name)
                elif isinstance(segment, dpkt.tcp.TCP) and segment.data[:1] == b"\x16":
                    record = dpkt.ssl.TLSRecord(segment.data)
                    hello = dpkt.ssl.TLSHandshake(record.data).data
                    if isinstance(hello, dpkt.ssl.TLSClientHello):
                        names = [value[5:].decode() for kind, value in hello.extensions if kind == 0]
                        print("tls_sni", *names)
                elif isinstance(segment, dpkt.tcp.TCP) and segment.data[:4] in (b"GET ", b"POST"):
                    print("http_host", dpkt.http.Request(segment.data).headers.get("host"))
            except (dpkt.Error, AttributeError, IndexError, ValueError):
                continue


main()
