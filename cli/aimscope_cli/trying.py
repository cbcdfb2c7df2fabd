"""`aimscope logs try`: a log read closely, line by line, and nothing kept."""

from __future__ import annotations

import datetime
import os
import sys
import time
from pathlib import Path

import msgspec

from aimscope_agent.formats._format import Format
from aimscope_agent.formats._map import MapError
from aimscope_agent.host.tree import clean
from aimscope_agent.intake.decompress import CompressionError, Stream
from aimscope_agent.logs.parser import Parser
from aimscope_agent.logs.reading import UnusableError
from aimscope_agent.logs.recognition import Fit
from aimscope_agent.logs.registry import load_file
from aimscope_agent.logs.work import STDIN, look
from aimscope_agent.privacy import Curtain
from aimscope_cli.logfiles import chosen, known_formats
from aimscope_cli.output import Failure
from aimscope_cli.settings import curtain, settings
from aimscope_signatures.model import Observation, Value


class Fact(msgspec.Struct, frozen=True):
    """What one line says."""

    line: int
    at: str
    kind: str
    fields: dict[str, Value]
    user: str = ""
    device: str = ""


class Trial(msgspec.Struct, frozen=True):
    """What came of it. ``format`` is empty where none fits."""

    file: str
    format: str
    fits: tuple[Fit, ...]
    facts: tuple[Fact, ...]
    lines: int = 0
    read: int = 0
    unreadable: int = 0
    untimed: int = 0
    quarantine: tuple[int, ...] = ()


def attempt(file: str, name: str, own: Path | None, zone: str, most: int) -> Trial:
    """Read the first lines; people and devices are shown as the configuration keeps them.

    Raises ``Failure`` for a file, a map, a zone or a configuration that cannot be used.
    """
    kept = curtain(settings())
    known = _formats(name, own)
    shown = "standard input" if file == STDIN else clean(file)
    if file == STDIN and sys.stdin is None:
        raise Failure("there is no standard input to read")
    try:
        with sys.stdin.buffer if file == STDIN else Path(file).open("rb") as source:
            now = int(time.time() if file == STDIN else os.fstat(source.fileno()).st_mtime)
            log, recognised = look(source, Stream, known.values())
            form = next(iter(known.values())) if len(known) == 1 else recognised.format
            if form is None:
                return Trial(shown, "", recognised.fits[:8], ())
            parser = Parser(form, zone=zone, now=now)
            facts = []
            for number, line in enumerate(log.head.removesuffix(b"\n").split(b"\n")[:most], 1):
                facts += [_fact(number, seen, kept) for seen in parser.line(line, number, "")]
    except OSError as error:
        raise Failure(f"{shown} cannot be read: {error.strerror}") from None
    except (UnusableError, CompressionError) as error:
        raise Failure(f"{shown}: {error}") from None
    except ValueError as error:
        raise Failure(f"--zone: {error}") from None
    counts = parser.counts
    return Trial(
        file=shown,
        format=form.name,
        fits=recognised.fits[:8],
        facts=tuple(facts),
        lines=counts.lines,
        read=counts.read,
        unreadable=counts.unreadable,
        untimed=counts.untimed,
        quarantine=tuple(counts.quarantine),
    )


def _formats(name: str, own: Path | None) -> dict[str, Format]:
    if own is None:
        return chosen(name, known_formats())
    try:
        form = load_file(own)
    except MapError as error:
        raise Failure(str(error)) from None
    return {form.name: form}


def _fact(line: int, observation: Observation, kept: Curtain) -> Fact:
    seen = kept.veiled(observation)
    at = datetime.datetime.fromtimestamp(seen.at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Fact(line, at, seen.kind, seen.fields, seen.subject, seen.asset)
