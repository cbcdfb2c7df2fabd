"""A pack: a zip whose files are listed with their SHA-256, and whose list is signed by the collector.

``SHA256SUMS`` is what ``sha256sum -c`` reads, its signature what ``openssl pkeyutl`` checks: nobody needs aimscope for
either. The same files at the same moment give the same bytes.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from aimscope_collector.reports import Signature

SUMS: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
PUBLIC_KEY: Final = "public-key.pem"
VERIFY: Final = "VERIFY.txt"
_BLOCK: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_HOW: Final = """\
How to check this pack
======================

Nothing of aimscope is needed. Unpack the zip into a new folder, and in that folder:

1. Every file is as the collector wrote it:

       sha256sum -c SHA256SUMS                 (macOS: shasum -a 256 -c SHA256SUMS)

2. The list of files was signed by the collector (OpenSSL 3):

       openssl pkeyutl -verify -rawin -pubin -inkey public-key.pem -in SHA256SUMS -sigfile SHA256SUMS.sig

3. The key is the collector's, and not somebody else's who made another pack. Its fingerprint is

       {fingerprint}

   and has to be the one that the collector's administrator tells you by another way than this pack
   (`aimscope collector status` shows it). To see the fingerprint of the key in this folder:

       openssl pkey -pubin -in public-key.pem -outform DER | sha256sum

With aimscope, also on a machine without a collector or network:

       aimscope report verify PACK.zip --fingerprint {fingerprint}
"""


class Pack:
    """A zip that is being written. Use it in ``with``; ``seal`` ends it."""

    def __init__(self, path: Path, *, now: int) -> None:
        moment = datetime.datetime.fromtimestamp(max(now, 0), datetime.UTC)
        year = min(max(moment.year, 1980), 2107)  # what a zip can say
        self._at = (year, moment.month, moment.day, moment.hour, moment.minute, moment.second // 2 * 2)
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self.sums: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, name: str, content: bytes | Path) -> None:
        """Put a file in. Raises ``ValueError`` for a name that is there already, or leads elsewhere."""
        if not _NAME.fullmatch(name) or name in self.sums:
            raise ValueError(f"{name!r} cannot be a file of a pack")
        self.sums[name] = self._write(name, content)

    def _write(self, name: str, content: bytes | Path) -> str:
        info = zipfile.ZipInfo(name, self._at)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = 3
        info.external_attr = 0o100644 << 16
        with self._zip.open(info, "w", force_zip64=True) as target:
            if isinstance(content, bytes):
                target.write(content)
                return hashlib.sha256(content).hexdigest()
            with content.open("rb") as source:
                shutil.copyfileobj(source, target, _BLOCK)
            with content.open("rb") as source:
                return sum_of(source)

    def seal(self, sign: Callable[[bytes], Signature]) -> str:
        """Say how to verify, list everything, and sign the list. Returns the fingerprint of the key."""
        public = sign(b"").public  # who signs is on the list that is signed
        fingerprint = fingerprint_of(public)
        self.add(PUBLIC_KEY, pem_of(public))
        self.add(VERIFY, _HOW.format(fingerprint=fingerprint).encode())
        sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.sums.items())).encode()
        self._write(SUMS, sums)
        self._write(SIGNATURE, sign(sums).value)
        return fingerprint


def sum_of(file: IO[bytes]) -> str:
    """SHA-256 of what is left of a file."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def pem_of(public: bytes) -> bytes:
    """A public key of 32 bytes as OpenSSL reads it."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint_of(public: bytes) -> str:
    """SHA-256 of the key in DER, in hex: what OpenSSL and sha256sum say of it."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
