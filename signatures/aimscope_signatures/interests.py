"""What a catalogue asks a machine for: derived from the signatures, so that nobody edits a second list."""

from __future__ import annotations

import re

import msgspec


class KeyPattern(msgspec.Struct, frozen=True):
    """One pattern for credentials: ``name`` is ``<service>#<n>``; ``literal`` must occur before ``regex`` is tried."""

    name: str
    literal: str
    regex: str

    def find(self, text: str) -> list[tuple[int, int]]:
        """Spans in ``text`` that look like this key, not part of a longer word."""
        if self.literal not in text:
            return []
        pattern = re.compile(rf"(?<![A-Za-z0-9_-])(?:{self.regex})(?![A-Za-z0-9_-])")
        return [match.span() for match in pattern.finditer(text)]


class ProbePlan(msgspec.Struct, frozen=True):
    """One question that tells a product: GET ``path``. ``hints`` are process names and packages of the product."""

    service: str
    path: str
    ports: tuple[int, ...] = ()
    hints: tuple[str, ...] = ()
    accept: str = "*/*"


class Interests(msgspec.Struct, frozen=True):
    """What sensors look for on behalf of the catalogue.

    ``config``, ``mcp_config`` and ``project_files`` map a path pattern to the id of the service that owns it.
    ``env`` holds variable names, ``env_patterns`` globs for them.
    """

    config: dict[str, str] = {}
    mcp_config: dict[str, str] = {}
    project_files: dict[str, str] = {}
    env: frozenset[str] = frozenset()
    env_patterns: tuple[str, ...] = ()
    keys: tuple[KeyPattern, ...] = ()
    probes: tuple[ProbePlan, ...] = ()
    processes: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    model_ids: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    """``host/path-prefix`` of AI inside larger services: of interest where a path is known, and nowhere else."""
