"""From names, lists and zone files to a report on where they lead: the steps of `aimscope scan names`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from aimscope_agent.host.gaps import SEVERITY, Gaps
from aimscope_agent.host.tree import clean
from aimscope_agent.recognise import Recogniser
from aimscope_agent.servers.names import (
    MOST_NAMES,
    Chain,
    Ending,
    ZoneError,
    is_zone,
    listed,
    observations,
    sorted_out,
    zone,
)
from aimscope_cli.concluding import Outcome, conclude, prepare
from aimscope_cli.guard import cancelling
from aimscope_cli.output import Failure
from aimscope_cli.progress import progress
from aimscope_cli.report import Report
from aimscope_cli.resolvers import resolver_for
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Coverage, Gap, Status

_LARGEST_FILE = 67_108_864
_BATCH = 256
_SENSOR = "names"
_T = TypeVar("_T")

_ENDINGS: dict[Ending, tuple[str, str]] = {
    "loop": ("an alias of itself", ""),
    "long": ("the chain of aliases is too long", ""),
    "elsewhere": ("leads to a name the zone does not know", "--resolve"),
    "unanswered": ("no resolver answered", ""),
}
"""Ending of a chain → what could not be looked at, and what would help."""


class Request(msgspec.Struct, frozen=True):
    """What to look at, and whom to ask."""

    words: tuple[str, ...]
    resolve: bool = False
    resolver: str = ""
    origin: str = ""
    inventory: Path | None = None
    unit: str = ""
    quiet: bool = False


class _Found(msgspec.Struct):
    """What is to be followed: chains with their source, and addresses."""

    chains: list[tuple[str, Chain]] = []
    addresses: dict[str, str] = {}


def run(request: Request) -> Report:
    """Read, follow, match, reconcile. Raises ``Failure`` for what cannot be read."""
    setting = prepare(request.inventory, request.unit)
    started = int(time.time())
    gaps, counts = Gaps(), Counter[str]()
    found = _read(request, gaps, counts)
    recogniser = Recogniser(Matcher(setting.catalogue))
    stopped = False
    if request.resolve:
        stopped = _resolved(request, found, gaps, counts)
    elif found.addresses:
        reason = "reverse names are known to a resolver only"
        gaps.note(Gap("addresses", Status.PARTIAL, reason, len(found.addresses), "--resolve"))
    for source, chain in found.chains:
        _note(chain, gaps, counts)
        address = source if source in found.addresses else ""
        recogniser.take_all(observations(chain, source, started, address))
    told = gaps.told()
    worst = max((gap.status for gap in told), key=SEVERITY.index, default=Status.COMPLETE)
    outcome = Outcome(
        scope="names",
        target=clean(", ".join(request.words[:4]) + (" …" if len(request.words) > 4 else "")),
        host="",
        platform="network",
        started=started,
        finished=max(started, int(time.time())),
        sightings=recogniser.sightings(),
        coverage=(Coverage(_SENSOR, worst, told, dict(counts)),),
        emits={_SENSOR: ("dns.alias",)},
        notes=("Stopped before its end: the coverage says what was not asked.",) if stopped else (),
    )
    return conclude(outcome, setting)


def _note(chain: Chain, gaps: Gaps, counts: Counter[str]) -> None:
    counts["names"] += 1
    counts["aliases"] += bool(chain.targets)
    if chain.ending in _ENDINGS:
        reason, remedy = _ENDINGS[chain.ending]
        gaps.note(Gap(chain.name, Status.PARTIAL, reason, remedy=remedy))


# reading


def _read(request: Request, gaps: Gaps, counts: Counter[str]) -> _Found:
    found = _Found()
    words: list[str] = []
    for word in request.words:
        text = _text(word)
        if text is None:
            words.append(word)
        elif is_zone(text):
            counts["zone files"] += 1
            _read_zone(word, text, request.origin, found)
        else:
            counts["lists"] += 1
            _add(word, listed(text), found, gaps)
    names, addresses, neither = sorted_out(tuple(words))
    if neither:
        raise Failure(f"{neither[0]!r} is no file, no name and no address")
    found.chains += [("arguments", Chain(name)) for name in names]
    found.addresses.update(dict.fromkeys(addresses, "arguments"))
    if len(found.chains) + len(found.addresses) > MOST_NAMES:
        raise Failure(f"more than {MOST_NAMES:,} names in one scan")
    return found


def _read_zone(path: str, text: str, origin: str, found: _Found) -> None:
    try:
        read = zone(text, origin)
    except ZoneError as error:
        raise Failure(f"{path}: {error}") from None
    found.chains += [(clean(path), read.chain(name)) for name in read.names]


def _add(path: str, words: Sequence[str], found: _Found, gaps: Gaps) -> None:
    names, addresses, neither = sorted_out(tuple(words))
    found.chains += [(clean(path), Chain(name)) for name in names]
    found.addresses.update(dict.fromkeys(addresses, clean(path)))
    if neither:
        gaps.note(Gap(clean(path), Status.PARTIAL, "lines that are no name and no address", len(neither)))


def _text(word: str) -> str | None:
    """A file's text; ``None`` for a word that is none."""
    try:
        path = Path(word)
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise Failure(f"{word} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _LARGEST_FILE:
        raise Failure(f"{word} is larger than {_LARGEST_FILE:,} bytes")
    return data.decode("utf-8-sig", "replace")


# asking


def _resolved(request: Request, found: _Found, gaps: Gaps, counts: Counter[str]) -> bool:
    """Follow by asking what is not known yet; whether that was interrupted."""
    make = resolver_for(request.resolver)
    todo = [number for number, (_, chain) in enumerate(found.chains) if chain.ending in {"end", "elsewhere"}]
    with progress(request.quiet) as tell:

        async def main() -> bool:
            resolver = make()
            done = 0
            try:
                for some in _batches(todo):
                    followed = await asyncio.gather(*(resolver.chain(found.chains[number][1]) for number in some))
                    for number, chain in zip(some, followed, strict=True):
                        found.chains[number] = (found.chains[number][0], chain)
                    done += len(some)
                    tell("names", done, len(todo))
                for addresses in _batches(tuple(found.addresses)):
                    told = await asyncio.gather(*map(resolver.reverse, addresses))
                    for address, names in zip(addresses, told, strict=True):
                        if names is None:
                            gaps.note(Gap(address, Status.PARTIAL, "no resolver answered"))
                        counts["addresses"] += 1
                        found.chains += [(address, Chain(name)) for name in names or ()]
            except asyncio.CancelledError:
                left = len(todo) - done
                gaps.note(Gap("names", Status.PARTIAL, f"stopped: {left:,} names not asked", max(1, left)))
                return True
            finally:
                counts["questions"] += resolver.counts["questions"]
            return False

        with cancelling():
            return asyncio.run(main())


def _batches(items: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
