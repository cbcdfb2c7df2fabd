"""Programs that ``go install`` has built, by the build information that Go links into them since 1.18."""

from __future__ import annotations

from collections.abc import Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import MEGABYTE, Look
from aimscope_agent.sensors import _packages_buildinfo as buildinfo
from aimscope_signatures.model import Observation, Status

_USER = "~/{go/bin,.go/bin,.asdf/installs/golang/*/bin,.asdf/installs/golang/*/packages/bin}/*"
_SYSTEM = "/{go/bin,usr/local/go-bin,usr/local/gobin}/*"

WANTS = (_USER, _SYSTEM)

_MOST_PROGRAMS = 500
_START = 4_096
_FURTHEST = 16 * MEGABYTE


def observe(look: Look) -> Iterator[Observation]:
    """One package for each program that names its main module."""
    programs = [found for glob in (_SYSTEM, _USER) for found in look.found(glob)]
    for program in programs[:_MOST_PROGRAMS]:
        module = buildinfo.main_module(_Reader(look, program))
        if module is not None:
            package = f"go:{module.path}"
            yield look.see("package", program, package=package, version=module.version, manager="go", path=program.path)
    if len(programs) > _MOST_PROGRAMS:
        look.gap("go", Status.PARTIAL, f"more than {_MOST_PROGRAMS} programs")


class _Reader:
    """Parts of a file, of which a look can read the start only: what lies further in costs all that is before it."""

    def __init__(self, look: Look, program: Found) -> None:
        self._look = look
        self._program = program
        self._start = look.head(program, _START) or b""
        self._all = len(self._start) < _START

    def __call__(self, offset: int, size: int) -> bytes:
        end = offset + size
        if end > len(self._start) and not self._all:
            if end > _FURTHEST:
                self._look.gap(self._program.path, Status.PARTIAL, "build information lies too far in")
                return b""
            self._start = self._look.head(self._program, end) or b""
            self._all = len(self._start) < end
        return self._start[offset:end]
