"""In which order a network scan tries addresses and ports: port by port, neighbours far apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random

_GOLDEN = (math.sqrt(5) - 1) / 2


def order(addresses: int, ports: Sequence[int], seed: int) -> Iterator[tuple[int, int]]:
    """Every ``(number of an address, port)`` once, the same for the same seed.

    An address comes again only after all the others, and two that follow each other lie far apart: no machine and no
    network gets a burst. Needs no memory of its own.
    """
    draw = Random(seed)  # noqa: S311 - an order, not a secret
    for port in draw.sample(ports, len(ports)):
        start = draw.randrange(addresses)
        stride = _stride(addresses)
        for step in range(addresses):
            yield (start + step * stride) % addresses, port


def _stride(addresses: int) -> int:
    """A step that reaches every address before it returns, as evenly as may be."""
    stride = max(1, round(addresses * _GOLDEN))
    while math.gcd(stride, addresses) != 1:
        stride += 1
    return stride
