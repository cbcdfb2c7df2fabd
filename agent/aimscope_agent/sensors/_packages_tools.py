"""What cargo and RubyGems have installed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look
from aimscope_signatures.model import Observation

_CARGO_USER = "~/.cargo/.crates2.json"
_CARGO_SYSTEM = "/usr/local/cargo/.crates2.json"

_GEMS = tuple(
    f"{place}/specifications/*.gemspec"
    for place in (
        "/var/lib/gems/*",
        "/usr/share/gems",
        "/{usr,usr/local,opt/homebrew,Ruby*}/lib/ruby/gems/*",
        "/Library/Ruby/Gems/*",
        "~/{.gem,.local/share/gem}/*/*",
        "~/.rvm/gems/*",
        "~/{.rbenv/versions,.rvm/rubies,.asdf/installs/ruby,.local/share/mise/installs/ruby}/*/lib/ruby/gems/*",
    )
)

WANTS = (_CARGO_USER, _CARGO_SYSTEM, *_GEMS)


def observe(look: Look) -> Iterator[Observation]:
    """Crates, then gems."""
    for glob in (_CARGO_SYSTEM, _CARGO_USER):
        for found in look.found(glob):
            yield from _crates(look, found)
    for glob in _GEMS:
        for found in look.found(glob):
            yield from _gem(look, found)


_CRATE = re.compile(r"([A-Za-z0-9][\w-]{0,63}) (\d[\w.+-]{0,127}) \(", re.ASCII)


def _crates(look: Look, record: Found) -> Iterator[Observation]:
    """Keys of ``installs`` are ``name version (source)``."""
    content = look.json(record)
    installs = content.get("installs") if isinstance(content, dict) else None
    for key in installs if isinstance(installs, dict) else ():
        if isinstance(key, str) and (crate := _CRATE.match(key)):
            path = record.path.rpartition("/")[0]
            yield look.see("package", record, package=f"cargo:{crate[1]}", version=crate[2], manager="cargo", path=path)


_PLATFORM = re.compile(
    r"(?<=[\da-z])-(?:universal-)?(?:x86_64|x86|x64|i[3-6]86|amd64|arm64|arm|armv\d\w*|aarch64|s390x|powerpc\w*|ppc\w*|"
    r"riscv64|loongarch64|java|jruby|mswin\w*|mingw\w*)(?:-\w+)*\Z"
)
_GEM = re.compile(r"([A-Za-z0-9_][\w.-]*)-(\d[0-9A-Za-z.]*)\Z", re.ASCII)


def _gem(look: Look, specification: Found) -> Iterator[Observation]:
    """``name-version[-platform].gemspec``; a name may itself end in a number: ``http-2-1.0.2``."""
    path, _, file = specification.path.rpartition("/")
    full = file.removesuffix(".gemspec")
    gem = _GEM.match(full) or _GEM.match(_PLATFORM.sub("", full))
    if gem:
        yield look.see("package", specification, package=f"gem:{gem[1]}", version=gem[2], manager="gem", path=path)
