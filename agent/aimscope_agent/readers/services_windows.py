"""Windows services, from the registry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aimscope_agent.launch import Launch, resolve
from aimscope_agent.sensor import Look

_KEY = "HKLM/SYSTEM/CurrentControlSet/Services"
_DRIVERS = ("1", "2", "8")
_STARTS_BY_ITSELF = "2"
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_TO_EXE = re.compile(r"\s*(.+?\.exe)(?=\s|\Z)", re.IGNORECASE)


class Entry(NamedTuple):
    """One service; ``enabled`` is ``None`` where it is not told."""

    name: str
    launch: Launch
    enabled: bool | None


def entries(look: Look) -> Iterator[Entry]:
    """Every service that is no driver."""
    for row in look.registry(_KEY):
        values = _folded(row.values)
        path = values.get("imagepath", "")
        if not path or values.get("type", "") in _DRIVERS:
            continue
        launch = resolve(words(path))
        if launch.process.lower() in ("nssm", "nssm64"):
            launch = _behind_nssm(look, row.key) or launch
        start = values.get("start", "")
        yield Entry(row.key, launch, start == _STARTS_BY_ITSELF if start else None)


def _behind_nssm(look: Look, service: str) -> Launch | None:
    """What the "Non-Sucking Service Manager" runs as a service; it keeps that in a key of its own."""
    for row in look.registry(f"{_KEY}/{service}"):
        values = _folded(row.values)
        if row.key.lower() == "parameters" and (application := values.get("application")):
            return resolve([application, *words(values.get("appparameters", ""))])
    return None


def words(line: str) -> list[str]:
    """A command line of Windows as words. An unquoted path may hold spaces: it ends at its first ``.exe``."""
    unquoted = None if line.lstrip().startswith('"') else _TO_EXE.match(line)
    first = [unquoted[1]] if unquoted else []
    rest = line[unquoted.end() :] if unquoted else line
    return first + [quoted or word for quoted, word in _WORD.findall(rest)]


def _folded(values: Mapping[str, str]) -> dict[str, str]:
    """Names of values are compared without case."""
    return {name.lower(): value for name, value in values.items()}
