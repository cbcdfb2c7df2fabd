"""From targets as people write them to a report on the network: the steps of `aimscope scan net`."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from aimscope_agent.intake.netscan import Limits, fitted
from aimscope_agent.intake.netsurvey import EMITS, Survey, Tell, survey
from aimscope_agent.recognise import Recogniser
from aimscope_agent.servers import ports as port_list
from aimscope_agent.servers.targets import (
    Span,
    TargetError,
    Targets,
    networks,
    permitted,
    read,
    span_of,
    words_of,
)
from aimscope_cli.concluding import Outcome, Setting, conclude, prepare
from aimscope_cli.guard import cancelling
from aimscope_cli.output import Failure, emit_json, hint, say
from aimscope_cli.progress import progress
from aimscope_cli.report import Report
from aimscope_cli.settings import settings
from aimscope_signatures.matcher import Matcher

_LARGEST_FILE = 33_554_432


class Request(msgspec.Struct, frozen=True):
    """What to ask, and how."""

    targets: tuple[str, ...]
    ports: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    allow_public: bool = False
    config: Path | None = None
    rate: int | None = None
    concurrency: int | None = None
    timeout: float = 0.5
    seed: int = 0
    resolve: bool = False
    resolver: str = ""
    inventory: Path | None = None
    unit: str = ""
    quiet: bool = False


class _Planned(msgspec.Struct, frozen=True):
    targets: Targets
    ports: tuple[int, ...]
    limits: Limits
    notes: tuple[str, ...]


def run(request: Request) -> Report:
    """Scan, match, reconcile with the inventory. Raises ``Failure`` for what may not or cannot be asked."""
    setting = prepare(request.inventory, request.unit)
    planned = _planned(request, setting)
    try:
        limits, fewer = fitted(planned.limits)
    except OSError as error:
        raise Failure(str(error)) from None
    started = int(time.time())
    recogniser = Recogniser(Matcher(setting.catalogue))
    with progress(request.quiet) as tell:
        result = _scanned(request, planned, limits, recogniser, started, tell)
    stopped = ("Stopped before its end: the coverage says what was not tried.",) if result.stopped else ()
    outcome = Outcome(
        scope="net",
        target=f"network {planned.targets.described()}",  # never what a device is called
        host="",
        platform="network",
        started=started,
        finished=max(started, int(time.time())),
        sightings=recogniser.sightings(),
        coverage=(result.coverage,),
        emits=dict(EMITS),
        notes=(*planned.notes, *((fewer,) if fewer else ()), *stopped),
    )
    return conclude(outcome, setting)


def _scanned(
    request: Request, planned: _Planned, limits: Limits, recogniser: Recogniser, started: int, tell: Tell
) -> Survey:
    from aimscope_cli.resolvers import resolver_for

    asked = resolver_for(request.resolver) if request.resolve else None

    async def main() -> Survey:
        return await survey(
            planned.targets,
            planned.ports,
            limits,
            recogniser,
            now=started,
            seed=request.seed,
            tell=tell,
            named=asked().named if asked else None,
        )

    # a selector loop on every platform: the scan watches thousands of sockets that only connect
    with cancelling(), asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main())


def show_plan(request: Request, *, as_json: bool) -> None:
    """What a scan would ask."""
    planned = _planned(request, prepare(request.inventory, request.unit))
    if as_json:
        emit_json(
            {
                "targets": [str(span) for span in planned.targets.spans],
                "addresses": len(planned.targets),
                "ports": planned.ports,
                "connections": len(planned.targets) * len(planned.ports),
                "per_second": planned.limits.per_second,
                "at_once": planned.limits.at_once,
                "timeout": planned.limits.timeout,
            }
        )
        return
    total = len(planned.targets) * len(planned.ports)
    say(f"{len(planned.targets):,} addresses: {', '.join(map(str, planned.targets.spans[:64]))}")
    say(f"{len(planned.ports)} ports: {', '.join(map(str, planned.ports[:256]))}")
    limits = planned.limits
    say(
        f"{total:,} connections, at most {limits.per_second:,} a second and {limits.at_once:,} at once, "
        f"each waited for {limits.timeout} s: about {_seconds(total, limits):,.0f} s at most"
    )
    say("Open ports: at most two questions (GET, or MCP's initialize) before the product is known, then its version.")
    for note in planned.notes:
        hint(note)


def _seconds(total: int, limits: Limits) -> float:
    return max(total / limits.per_second, total / limits.at_once * limits.timeout)


# what was asked for


def _planned(request: Request, setting: Setting) -> _Planned:
    config = settings(request.config).network
    try:
        words = tuple(word for each in request.targets for word in _words(each))
        wanted = read(words)
        allow = networks(config.allow, "network.allow")
        excluded = networks(config.exclude, "network.exclude")
        left_out = read(request.exclude)
        names, notes = _resolved(wanted.names)
        unwanted, _ = _resolved(left_out.names)
        targets = permitted(
            (*wanted.spans, *_spans(names)),
            allow=allow,
            exclude=(*excluded, *_whole(request.exclude), *_spans(unwanted)),
            allow_public=request.allow_public,
            names=names,
        )
        ports = port_list.read(request.ports) if request.ports else port_list.usual(setting.catalogue)
    except TargetError as error:
        raise Failure(str(error)) from None
    except ValueError as error:
        raise Failure(f"--ports: {error}") from None
    limits = Limits(
        per_second=request.rate or config.per_second,
        at_once=request.concurrency or config.at_once,
        timeout=request.timeout,
    )
    return _Planned(targets, ports, limits, notes)


def _whole(words: Iterable[str]) -> tuple[Span, ...]:
    """Excluded networks with their own and their broadcast address."""
    return tuple(span for word in words if (span := span_of(word, whole=True)) is not None)


def _spans(names: Iterable[str]) -> tuple[Span, ...]:
    return tuple(span for address in names if (span := span_of(address)) is not None)


def _words(word: str) -> tuple[str, ...]:
    """A target, or the targets of a file."""
    path = Path(word)
    try:
        if _is_address(word) or not path.is_file():
            return (word,)
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise Failure(f"{word} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _LARGEST_FILE:
        raise Failure(f"{word} is larger than {_LARGEST_FILE:,} bytes")
    return words_of(data.decode("utf-8-sig", "replace"))


def _is_address(word: str) -> bool:
    try:
        return span_of(word) is not None
    except TargetError:
        return False


def _resolved(names: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Address → name for host names, and a note on each that has none. ``Failure`` if none of several has one."""
    found: dict[str, str] = {}
    unknown: list[str] = []
    for name in names:
        try:
            for *_, place in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM):
                found.setdefault(str(place[0]).partition("%")[0], name)
        except (OSError, UnicodeError):
            unknown.append(name)
    if unknown and not found:
        raise Failure(f"no address is known for {', '.join(unknown[:8])}")
    return found, tuple(f"{name} was not asked: no address is known for it." for name in unknown)
