"""Checks of an agent, each with what helps. What `agent doctor` does."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from aimscope_agent import config as configuration
from aimscope_agent import enrol, identity
from aimscope_agent.config import Collector, Config
from aimscope_agent.identity import IdentityError
from aimscope_agent.service import status as kept
from aimscope_agent.service.folder import Folder, machine_identifier
from aimscope_agent.service.presence import is_held
from aimscope_agent.service.reporter import server_of
from aimscope_agent.trust import Trust, TrustError
from aimscope_agent.uplink.transport import Https, ServerError, Unreachable
from aimscope_cli.agents import now
from aimscope_cli.output import Failure
from aimscope_cli.settings import config_file, settings

_ROOM: Final = 64 << 20
_BACK: Final = 86_400
Verdict = Literal["ok", "note", "wrong"]


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One check: what was looked at, how it is, and what helps."""

    about: str
    verdict: Verdict
    said: str
    remedy: str = ""


def examine(where: Folder, stated: Path | None) -> tuple[Check, ...]:
    """Every check, in the order in which things depend on each other."""
    try:
        config = settings(stated)
    except Failure as failure:
        wrong = Check(
            "configuration", "wrong", str(failure), "correct it; docs/reference/configuration.md has every entry"
        )
        return (wrong, *_state(where), *_clock(where))
    collector = config.collector if config.collector.url else where.collector()
    parts: tuple[Iterator[Check], ...] = (
        _configuration(stated),
        _state(where),
        _service(where),
        _clock(where),
        _identity(where, collector),
        _collector(collector),
        _capture(config),
        _logs(config),
    )
    return tuple(check for part in parts for check in part)


def _configuration(stated: Path | None) -> Iterator[Check]:
    path = stated or config_file()
    yield Check("configuration", "ok", str(path) if path else "none, everything at its default")
    unknown = configuration.unknown_variables()
    if unknown:
        yield Check("environment", "wrong", f"{', '.join(unknown)} means nothing", "unset it, or correct its name")
    if path is not None and os.name == "posix":
        status = path.stat()
        if status.st_mode & 0o022 or status.st_uid not in {0, os.geteuid()}:
            yield Check(
                "permissions", "wrong", f"{path} can be changed by others", f"chmod 600 {path}, chown it to root"
            )
        else:
            yield Check("permissions", "ok", "nobody else can change the configuration")


def _state(where: Folder) -> Iterator[Check]:
    path = where.path
    while not path.exists() and path != path.parent:
        path = path.parent
    if not os.access(path, os.W_OK | os.X_OK):
        remedy = "run as the account of the agent, or set AIMSCOPE_STATE"
        yield Check("state folder", "wrong", f"{where.path} cannot be written", remedy)
        return
    if os.name == "posix" and where.path.exists() and where.path.stat().st_mode & 0o077:
        yield Check("state folder", "wrong", f"{where.path} can be read by others", f"chmod 700 {where.path}")
    else:
        yield Check("state folder", "ok", str(where.path))
    free = shutil.disk_usage(path).free
    said = f"{free >> 20:,} MB free"
    yield Check("disk", "ok", said) if free >= _ROOM else Check("disk", "wrong", said, "make room: 64 MB at least")


def _service(where: Folder) -> Iterator[Check]:
    try:
        found = kept.read(where)
    except OSError as error:
        yield Check("service", "note", f"its status cannot be read: {error.strerror}", "run as the agent's account")
        return
    if found is None or not is_held(where.lock):
        yield Check("service", "note", "it does not run", "aimscope agent run, or systemctl start aimscope-agent")
        return
    yield Check("service", "ok", f"it runs as process {found.pid}")
    for notice in found.notices:
        yield Check("service", "wrong", notice, "see aimscope agent status")


def _clock(where: Folder) -> Iterator[Check]:
    try:
        trust = Trust(where.trust)
    except TrustError as error:
        yield Check("signed feeds", "wrong", str(error), "remove it and enrol again")
        return
    behind = trust.clock - now()
    if behind > _BACK:
        said = f"it is {behind // _BACK:,} days behind a moment this machine has seen"
        remedy = "set the clock; where it is right and ran ahead once: aimscope agent reset-clock"
        yield Check("clock", "wrong", said, remedy)
    else:
        yield Check("clock", "ok", "it has not been set back")
    stale = trust.stale(now())
    if stale:
        yield Check("signed feeds", "wrong", f"expired: {', '.join(stale)}", "reach the collector, or import a new one")
    else:
        yield Check(
            "signed feeds", "ok", ", ".join(f"{role} {n}" for role, n in trust.versions().items()) or "none yet"
        )


def _identity(where: Folder, collector: Collector) -> Iterator[Check]:
    try:
        known = identity.load(where.identity)
    except IdentityError as error:
        yield Check("identity", "wrong", str(error), "enrol again")
        return
    if known is None or not known.enrolled_at:
        verdict: Verdict = "wrong" if collector.url and not collector.token_file else "note"
        yield Check("identity", verdict, "this machine has not enrolled", "aimscope agent enrol")
    elif enrol.is_copy(known, identity.machine_digest(machine_identifier())):
        yield Check("identity", "wrong", "the identity was drawn on another machine", "aimscope agent enrol")
    elif known.collector != collector.url:
        said = f"it is for {known.collector}, and {collector.url or 'no collector'} is configured"
        yield Check("identity", "wrong", said, "correct the configuration, or enrol again")
    else:
        waits = "" if known.approved else "; not approved yet, as far as is known here"
        yield Check("identity", "ok", f"enrolled as {known.uid}{waits}")


def _collector(collector: Collector) -> Iterator[Check]:
    if not collector.url:
        yield Check("collector", "note", "none is configured: what is found is kept here", "aimscope agent enrol")
        return
    for name in (collector.ca, collector.certificate, collector.key, collector.token_file):
        if name and not os.access(name, os.R_OK):
            yield Check("collector", "wrong", f"{name} cannot be read", "correct the path, or its permissions")
            return
    try:
        line = Https(server_of(collector), monotonic=time.monotonic)
        host = urlsplit(collector.url).hostname or ""
        if collector.proxy in {"", "none"}:
            addresses = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
            yield Check("name", "ok", f"{host} is {', '.join(addresses[:4])}")
        answer = line.ask("GET", "/v1/check-in")
        line.close()
    except (OSError, UnicodeError):
        yield Check(
            "name", "wrong", f"no address is known for {collector.url}", "correct collector.url, or the resolver"
        )
    except ServerError as error:
        yield Check("collector", "wrong", str(error), "correct the entries of collector in the configuration")
    except Unreachable as error:
        yield Check("collector", "wrong", f"{collector.url}: {error}", _help(str(error)))
    else:
        pinned = ", and its key is the pinned one" if collector.pins else ""
        verdict: Verdict = "ok" if answer.status < 500 else "wrong"
        remedy = "" if verdict == "ok" else "see the collector's own log"
        yield Check("collector", verdict, f"{collector.url} answers ({answer.status}){pinned}", remedy)


def _help(said: str) -> str:
    """What helps against why nobody is believed."""
    if "pinned" in said:
        return "compare collector.pins with the collector's certificate: its key was changed, or this is somebody else"
    if "CERTIFICATE_VERIFY_FAILED" in said or "certificate" in said:
        return "collector.ca names the certificates that may vouch for it; see whether this machine's clock is right"
    return "see whether a firewall or proxy is in the way (collector.proxy)"


def _capture(config: Config) -> Iterator[Check]:
    if not config.gateway.interfaces:
        if sys.platform == "linux" and os.geteuid() != 0:
            yield Check(
                "privileges", "note", "not root: other accounts' processes and files are not seen", "run as root"
            )
        return
    from aimscope_agent.intake.capture import open_live
    from aimscope_agent.intake.capture_filter import narrowed, traffic_filter
    from aimscope_agent.intake.pcap import CaptureError

    gateway = config.gateway
    wanted = narrowed(gateway.filter) if gateway.filter else traffic_filter
    try:
        open_live(gateway.interfaces, filter=wanted, promiscuous=gateway.promiscuous).close()
    except CaptureError as error:
        yield Check("capture", "wrong", str(error), "CAP_NET_RAW is needed, and interfaces that exist")
    else:
        yield Check("capture", "ok", f"{', '.join(gateway.interfaces)} can be looked at")


def _logs(config: Config) -> Iterator[Check]:

    for path in config.logs.paths:
        if not Path(path).exists():
            yield Check("logs", "note", f"{path} is not there; it is read when it is")
        elif not os.access(path, os.R_OK):
            yield Check("logs", "wrong", f"{path} cannot be read", "put the agent's account into the group that may")
        else:
            yield Check("logs", "ok", f"{path} can be read")
    for name in (config.logs.certificate, config.logs.key, config.logs.client_ca):
        if name and not os.access(name, os.R_OK):
            yield Check("syslog", "wrong", f"{name} cannot be read", "correct the path, or its permissions")
