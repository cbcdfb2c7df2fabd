"""Programs that ``go install`` has built, by the build information that Go links into them since 1.18."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look
from aimscope_agent.sensors import _packages_buildinfo as buildinfo
from aimscope_signatures.model import Observation, Status

_USER = "~/{go/bin,.go/bin,.asdf/installs/golang/*/bin,.asdf/installs/golang/*/packages/bin}/*"
_SYSTEM = "/{go/bin,usr/local/go-bin,usr/local/gobin}/*"

WANTS = (_USER, _SYSTEM)

_MOST_PROGRAMS = 500


def observe(look: Look) -> Iterator[Observation]:
    """One package for each program that names its main module."""
    programs = [found for glob in (_SYSTEM, _USER) for found in look.found(glob)]
    for program in programs[:_MOST_PROGRAMS]:
        module = buildinfo.main_module(functools.partial(_part, look, program))
        if module is not None:
            package = f"go:{module.path}"
            yield look.see("package", program, package=package, version=module.version, manager="go", path=program.path)
    if len(programs) > _MOST_PROGRAMS:
        look.gap("go", Status.PARTIAL, f"more than {_MOST_PROGRAMS} programs")


def _part(look: Look, program: Found, offset: int, size: int) -> bytes:
    return look.part(program, offset, size) or b""
