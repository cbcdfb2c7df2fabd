"""Live traffic: what appears is said once, the report comes at the end. The packet part of `aimscope watch`."""

from __future__ import annotations

import datetime
import getpass
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from aimscope_agent.config import Config
from aimscope_agent.intake.capture import open_live
from aimscope_agent.intake.pcap import Capture, CaptureError, Filter
from aimscope_agent.privacy import Curtain
from aimscope_agent.recognise import Recogniser
from aimscope_agent.traffic.dissector import load
from aimscope_agent.traffic.observations import observation
from aimscope_agent.traffic.seen import Seen
from aimscope_cli.concluding import Setting, prepare
from aimscope_cli.names import NamePrinter
from aimscope_cli.output import Failure, emit_json, flush, hint, say
from aimscope_cli.packets import Reading, check_writable, choose, rehearse, veil_of
from aimscope_cli.report import Report, use_of
from aimscope_cli.settings import config_file, curtain, settings
from aimscope_cli.state import state_folder
from aimscope_cli.wording import heading, presence_words
from aimscope_collector.findings import Verdict
from aimscope_collector.from_catalogue import services_of
from aimscope_collector.reconcile import reconcile
from aimscope_collector.rules import Rules
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation, Sighting

_MOST_SAID = 100_000
"""Findings that are remembered as said; beyond, the report at the end tells them."""
_HOSTS = ("server_name", "host", "name")
_Use = tuple[str, str, str]
"""A service, or what AI in no catalogue is, at a device."""


class Request(msgspec.Struct, frozen=True):
    """What to watch, and how. ``seconds`` is how long; ``None`` until somebody stops it."""

    interfaces: tuple[str, ...]
    promiscuous: bool = True
    expression: str = ""
    seconds: float | None = None
    user: str | None = None
    names: bool = False
    as_json: bool = False
    forms: dict[str, Path | None] = msgspec.field(default_factory=dict)
    """What the report will be written as, and where to."""
    inventory: Path | None = None
    unit: str = ""
    quiet: bool = False


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding as it appears: a line of ``--json``. ``at`` is seconds since 1970 UTC."""

    at: int
    service: str
    name: str
    client: str
    host: str
    kind: str
    presence: str
    verdict: Verdict | None = None


class Herald:
    """Says each use once: a service, seen at a client."""

    def __init__(self, setting: Setting, kept: Curtain, say_line: Callable[[Line], None]) -> None:
        self._setting = setting
        self._services = services_of(setting.catalogue)
        self._rules = Rules(setting.inventory, self._services)
        self._recogniser = Recogniser(Matcher(setting.catalogue), curtain=kept)
        self._say = say_line
        self._said: set[tuple[_Use, bool]] = set()
        self._unsaid: set[tuple[object, ...]] = set()

    def found(self, seen: Seen) -> None:
        """A name worth it, at once."""
        made = observation(seen)
        if made is not None:
            self.observed(made)

    def observed(self, made: Observation) -> None:
        """Something was observed; what was said before is not said again."""
        for sighting in self._recogniser.take(made):
            self.sighted(sighting, made.at)

    def sighted(self, sighting: Sighting, at: int) -> None:
        """A total has grown at a time; a use that was said before is not said again.

        An attempt that was blocked is no use: what follows and is not blocked is said.
        """
        use = (*use_of(sighting), sighting.asset)
        blocked = sighting.presence == "attempted"
        if (use, False) in self._said or (use, blocked) in self._said or len(self._said) >= _MOST_SAID:
            return
        doubt = (use, sighting.kind, sighting.evidence, sighting.identity)
        if doubt in self._unsaid:
            return
        verdict = self._verdict(sighting)
        if verdict is not None:
            self._said.add((use, blocked))
            self._tell(sighting, at, verdict)
        elif len(self._unsaid) < _MOST_SAID:  # too weak, or ignored
            self._unsaid.add(doubt)

    def _tell(self, sighting: Sighting, at: int, verdict: Verdict) -> None:
        catalogue, evidence = self._setting.catalogue, dict(sighting.evidence)
        known = sighting.service in catalogue
        self._say(
            Line(
                at=at,
                service=sighting.service,
                name=catalogue.entries[sighting.service].name if known else "AI in no catalogue",
                client=sighting.asset,
                host=next((evidence[field] for field in _HOSTS if field in evidence), ""),
                kind=sighting.kind,
                presence=sighting.presence,
                verdict=verdict if self._setting.inventory is not None else None,
            )
        )

    def _verdict(self, sighting: Sighting) -> Verdict | None:
        judged = reconcile(
            (sighting,),
            (),
            self._setting.inventory,
            self._services,
            unit=self._setting.unit,
            host="",
            today=datetime.datetime.fromtimestamp(sighting.last, datetime.UTC).date(),
            ignores=self._setting.ignores,
            rules=self._rules,
        )
        return next((finding.verdict for finding in judged.findings if finding.evidence), None)


def watch(request: Request) -> Report:
    """Watch until somebody stops it. Raises ``Failure`` for what is not permitted or cannot be opened."""
    setting = prepare(request.inventory, request.unit)
    config = settings()
    if request.names:
        _permit_names(config, request.interfaces)
    kept = curtain(config)
    herald = Herald(setting, kept, json_line if request.as_json or request.names else text_line)
    printer = NamePrinter(veil_of(kept), at_once=True) if request.names else None
    choice = choose(request.expression)
    reading = Reading(
        setting, kept, choice, seen=printer.take if printer else None, found=herald.found, observed=herald.observed
    )
    target = ", ".join(request.interfaces)
    if request.user:
        load()
        rehearse(setting, request.forms)
    with _opened(request, choice.thorough) as capture:
        _check_end(request, setting)
        if not request.quiet:
            hint(f"Watching {target}; Ctrl-C ends it and shows the report.")
        timer = threading.Timer(request.seconds, capture.stop) if request.seconds is not None else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            reading.read(target, capture, on=(signal.SIGINT, signal.SIGTERM), endless=True)
        finally:
            if timer:
                timer.cancel()
    return reading.report("watch", target)


def _check_end(request: Request, setting: Setting) -> None:
    """What could not be written at the end, which may be long from now, is said before the beginning."""
    check_writable([path for path in request.forms.values() if path], request.user)
    if request.user:
        try:
            rehearse(setting, request.forms)
        except (ImportError, OSError) as error:
            raise Failure(f"the user {request.user} may not read this installation of aimscope: {error}") from None


def _opened(request: Request, wanted: Filter) -> Capture:
    try:
        return open_live(request.interfaces, filter=wanted, promiscuous=request.promiscuous, user=request.user)
    except CaptureError as error:
        raise Failure(str(error)) from None


def _permit_names(config: Config, interfaces: tuple[str, ...]) -> None:
    """Names on live traffic show what people browse: the owner of the machine allows it, and it is written down."""
    if not config.gateway.names_on_live_traffic:
        where = config_file() or "a configuration file (AIMSCOPE_CONFIG)"
        raise Failure(
            "--names shows what people browse. To allow it here, "
            f"write `gateway: {{names_on_live_traffic: true}}` to {where}"
        )
    path = state_folder() / "audit.log"
    entry = {
        "at": datetime.datetime.fromtimestamp(int(time.time()), datetime.UTC).isoformat(),
        "user": _who(),
        "action": "names of live traffic shown",
        "interfaces": list(interfaces),
    }
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise Failure(f"--names must be logged, and {path} cannot be written: {error.strerror}") from None


def _who() -> str:
    """Who asked: the one behind sudo, else the account."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def text_line(line: Line) -> None:
    """A finding, for people."""
    moment = datetime.datetime.fromtimestamp(line.at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    words = presence_words(line.presence, (line.kind,))
    verdict = f"  {heading(line.verdict, line.presence, (line.kind,))}" if line.verdict else ""
    say(f"{moment}  {line.name}  {line.client}  {line.host}  {words}{verdict}")
    flush()


def json_line(line: Line) -> None:
    """A finding, as a line of JSON."""
    emit_json(line)
    flush()
