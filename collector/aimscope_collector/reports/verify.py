"""Whether a pack is as the collector wrote it: needs the pack and nothing else, no collector and no network.

Everything in the file is a stranger's: names, sizes and numbers are bounded, and nothing is unpacked to disk.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from aimscope_collector.reports.manifest import PUBLIC_KEY, SIGNATURE, SUMS, fingerprint_of, sum_of

MOST_FILES: Final = 10_000
MOST_BYTES: Final = 1 << 34
"""Of all files together, unpacked."""
_MOST_SMALL: Final = 4 << 20
_LINE: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._/-]*)")
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class NotAPackError(Exception):
    """It is no pack that can be read; the text says why."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. ``problems`` name the files; without any, each file is as it was signed.

    ``fingerprint`` is that of the key in the pack: it says who signed only if somebody compared it.
    """

    files: int
    fingerprint: str
    compared: bool
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(path: Path, *, fingerprint: str = "") -> Verified:
    """Check the signature and every file. ``fingerprint`` is the key's, told by another way than the pack.

    Raises ``NotAPackError``.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            return _verified(pack, fingerprint.casefold().removeprefix("sha256:").replace(":", "").strip())
    except FileNotFoundError:
        raise NotAPackError(f"{path} is not there") from None
    except _BROKEN as error:
        raise NotAPackError(f"{path} is no zip that can be read: {_why(error)}") from None


def _verified(pack: zipfile.ZipFile, wanted: str) -> Verified:
    there = pack.infolist()
    if len(there) > MOST_FILES or sum(info.file_size for info in there) > MOST_BYTES:
        raise NotAPackError("there is more in it than in any pack of aimscope's")
    missing = [name for name in (SUMS, SIGNATURE, PUBLIC_KEY) if name not in pack.NameToInfo]
    if missing:
        raise NotAPackError(f"it is no pack of aimscope's, or something was taken out: {missing[0]} is missing")
    sums, signature, pem = (_small(pack, name) for name in (SUMS, SIGNATURE, PUBLIC_KEY))
    problems: list[str] = []
    public = _key(pem)
    if public is None:
        problems.append(f"{PUBLIC_KEY}: it holds no Ed25519 key")
    elif not _signed(public, signature, sums):
        problems.append(f"{SUMS}: its signature does not fit: the list was altered, or signed with another key")
    found = fingerprint_of(public) if public else ""
    if wanted and found != wanted:
        problems.append(f"{PUBLIC_KEY}: its fingerprint is {found or 'unknown'}, not the one you were told")
    listed = _listed(sums, problems)
    problems += _files(pack, listed)
    return Verified(files=len(listed), fingerprint=found, compared=bool(wanted), problems=tuple(problems))


def _small(pack: zipfile.ZipFile, name: str) -> bytes:
    try:
        with pack.open(name) as file:
            content = file.read(_MOST_SMALL + 1)
    except _BROKEN as error:
        raise NotAPackError(f"{name} cannot be read: {_why(error)}") from None
    if len(content) > _MOST_SMALL:
        raise NotAPackError(f"{name} is larger than any of aimscope's")
    return content


def _key(pem: bytes) -> bytes | None:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else None


def _signed(public: bytes, signature: bytes, body: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, body)
    except (InvalidSignature, ValueError):
        return False
    return True


def _listed(sums: bytes, problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(sums.decode("utf-8", "replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            problems.append(f"{SUMS}: line {number} cannot be read, or names a file a second time")
        else:
            found[match[2]] = match[1]
    return found


def _files(pack: zipfile.ZipFile, listed: dict[str, str]) -> list[str]:
    problems = []
    seen: set[str] = set()
    for info in pack.infolist():
        name = info.filename
        if name in seen:
            problems.append(f"{name!a}: it is in the pack twice")
        elif name not in listed and name not in (SUMS, SIGNATURE):
            problems.append(f"{name!a}: it is not on the signed list")
        elif name in listed and (why := _altered(pack, info, listed[name])):
            problems.append(f"{name}: {why}")
        seen.add(name)
    problems += [f"{name}: it is missing" for name in sorted(listed.keys() - seen)]
    return problems


def _altered(pack: zipfile.ZipFile, info: zipfile.ZipInfo, digest: str) -> str:
    try:
        with pack.open(info) as file:
            return "" if sum_of(file) == digest else "it was altered: its SHA-256 is another one"
    except _BROKEN as error:
        return f"it was altered, or damaged: {_why(error)}"


def _why(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
