"""The organisation's own services: signatures as people write them, checked as `signatures verify` checks ours.

Pure. What agents get of it is a compiled catalogue, which is laid over the one that came with aimscope.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from aimscope_signatures.catalogue import Catalogue, Entry, compiled
from aimscope_signatures.schema import parse
from aimscope_signatures.signature import Refused
from aimscope_signatures.verify import verify

MOST_FILES: Final = 1_000
MOST_BYTES: Final = 8_000_000
_MOST_SAID: Final = 100


class Read(msgspec.Struct, frozen=True):
    """The services of some files, and all that is wrong with them: with a problem, there is nothing to publish."""

    services: Catalogue
    problems: tuple[str, ...]


def read(files: Mapping[str, bytes], upstream: Catalogue) -> Read:
    """The services that files state, each file one; a file in a folder is in the folder of its category.

    They prove themselves beside the services of ``upstream``; one of the same id takes the place of ours.
    """
    if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_BYTES:
        said = f"more than {MOST_FILES:,} files or {MOST_BYTES // 1_000_000} MB: publish what the organisation needs"
        return Read(Catalogue((), ""), (said,))
    problems: list[str] = []
    entries: dict[str, Entry] = {}
    whole: dict[str, bytes] = {}
    for name in sorted(files):
        folder, _, stem = name.removesuffix(".yaml").removesuffix(".yml").rpartition("/")
        try:
            signature = parse(files[name], name)
        except Refused as refused:
            problems.extend(map(str, refused.problems))
            continue
        wrong = []
        if signature.id != stem:
            wrong.append(f"id {signature.id!r} is not the file's name {stem!r}")
        if folder and signature.category != folder.rpartition("/")[2]:
            wrong.append(f"category {signature.category!r} is not the folder's")
        if signature.id in entries:
            wrong.append(f"id {signature.id!r} is there already")
        problems.extend(f"{name}:1: {text}" for text in wrong)
        if not wrong:
            entries[signature.id] = compiled(signature)
            whole[f"{signature.category}/{signature.id}.yaml"] = files[name]
    services = Catalogue(entries.values(), _version(whole))
    if not problems and entries:
        problems.extend(map(str, verify(upstream.overlaid(services), entries)))
    return Read(services, tuple(problems[:_MOST_SAID]))


def _version(files: Mapping[str, bytes]) -> str:
    """As ``catalogue.content_hash`` has it: the same content has the same version wherever it lies."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()
