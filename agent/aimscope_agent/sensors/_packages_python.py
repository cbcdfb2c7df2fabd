"""Python's and conda's packages: the names of the folders and files that record an installation tell all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look
from aimscope_signatures.model import Observation

# The walk sees what lies directly in `site-packages`, so these cost nothing beyond it.
_RECORDS = ("**/*.dist-info/", "**/*.egg-info/", "**/*.egg-info")
_LIBRARIES = (
    "/{usr/lib64/python3*,Library/Frameworks/Python.framework/Versions/3*/lib/python3*,Python3*/Lib}/site-packages"
)
_BESIDE = tuple(_LIBRARIES + record.removeprefix("**") for record in _RECORDS)
"""Where the walk does not go."""
_CONDA = "**/conda-meta/*.json"

WANTS = (*_RECORDS, *_BESIDE, _CONDA)

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?", re.ASCII)
_DIST_INFO = re.compile(r"(.+)-([^-]+)\.dist-info\Z")
_EGG_INFO = re.compile(r"(.+?)(?:-(\d[^-]*))?(?:-py\d.*)?\.egg-info\Z")
_CONDA_RECORD = re.compile(r"(.+)-([^-]+)-[^-]+\.json\Z")
_MANAGERS = (("pipx", re.compile(r"/pipx/venvs/")), ("uv", re.compile(r"/uv/(?:data/)?tools/", re.IGNORECASE)))


def observe(look: Look) -> Iterator[Observation]:
    """Every environment, then what conda has put in that is no Python distribution."""
    conda = _conda(look)
    names: dict[str, set[str]] = {}
    seen: set[str] = set()
    for glob in (*_RECORDS, *_BESIDE):
        for found in look.found(glob):
            folder, _, record = found.host_path.rpartition("/")
            told = _told(record) if folder.endswith(("/site-packages", "/dist-packages")) else None
            # Where `lib64` is but a link, it tells what `lib` has told.
            place = found.host_path.replace("/usr/lib64/", "/usr/lib/")
            if told is None or place in seen:
                continue
            seen.add(place)
            root, store, _ = folder.partition("/pkgs/")
            if store and root in conda:
                continue  # conda's store: unpacked, not installed
            prefix = _prefix(folder)
            name, version = told
            names.setdefault(prefix, set()).add(name)
            path = found.path.rpartition("/")[0]
            manager = _manager(folder) or ("conda" if prefix in conda else "pip")
            yield look.see("package", found, package=f"pypi:{name}", version=version, manager=manager, path=path)
    for prefix, records in conda.items():
        yield from _conda_only(look, records, names.get(prefix, set()))


def _told(record: str) -> tuple[str, str | None] | None:
    """Name and version that a record's own name tells. ``~ip-1.0.dist-info`` is what pip left behind."""
    match = _DIST_INFO.match(record) or _EGG_INFO.match(record)
    if match is None or not _NAME.fullmatch(match[1]):
        return None
    return normalised(match[1]), match[2]


def normalised(name: str) -> str:
    """The one form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _prefix(packages: str) -> str:
    """The environment of a ``site-packages`` folder: ``<prefix>/lib/python3.12/…`` or ``<prefix>/Lib/…``."""
    library, _, python = packages.rpartition("/")[0].rpartition("/")
    return library.rpartition("/")[0] if python.startswith(("python", "pypy")) else library


def _manager(folder: str) -> str:
    return next((name for name, pattern in _MANAGERS if pattern.search(folder)), "")


def _conda(look: Look) -> dict[str, list[Found]]:
    """Records of conda by the environment they are of."""
    result: dict[str, list[Found]] = {}
    for found in look.found(_CONDA):
        result.setdefault(found.host_path.rpartition("/conda-meta/")[0], []).append(found)
    return result


def _conda_only(look: Look, records: list[Found], known: set[str]) -> Iterator[Observation]:
    for found in records:
        path, _, record = found.path.rpartition("/")
        match = _CONDA_RECORD.match(record)
        if match and _NAME.fullmatch(match[1].lstrip("_")) and normalised(match[1]) not in known:
            yield look.see("package", found, package=f"conda:{match[1]}", version=match[2], manager="conda", path=path)
