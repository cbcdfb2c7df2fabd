"""What children judge by: the catalogue in force, the organisation's additions, and the curtain before people."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from aimscope_agent.config import Config
from aimscope_agent.privacy import Curtain
from aimscope_agent.trust import Trust, TrustError
from aimscope_signatures import bundle, catalogue
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.signature import Refused


def open_catalogue(trust: Path, notice: Callable[[str, str], None]) -> Catalogue:
    """The signed catalogue in force, else the one that came with aimscope; the organisation's own services over it.

    What cannot be used is told and left out. Raises ``ValueError`` where no catalogue is left.
    """
    try:
        feeds: Trust | None = Trust(trust)
    except TrustError as error:
        notice("catalogue", str(error))
        feeds = None
    found = _signed(feeds, "catalogue", notice)
    if found is None:
        try:
            found = bundle.shipped()
        except Refused as refused:
            raise ValueError(f"the catalogue has malformed files: {refused}") from None
    overlay = _signed(feeds, "overlay", notice)
    if overlay is not None:
        found = found.overlaid(overlay)
    own = own_services()
    try:
        if own.is_dir() and catalogue.files(own):
            found = found.overlaid(bundle.loaded(own))
    except Refused:
        notice("services", f"{own} has malformed files and is left out: `aimscope signatures verify` names them")
    else:
        notice("services", "")
    return found


def own_services() -> Path:
    """Where this machine's own signatures lie."""
    return _own("AIMSCOPE_SERVICES", "services")


def own_maps() -> Path:
    """Where this machine's own formats of logs lie."""
    return _own("AIMSCOPE_FORMATS", "formats")


def _own(variable: str, name: str) -> Path:
    import platformdirs  # noqa: PLC0415 - only children look

    stated = os.environ.get(variable)
    return Path(stated) if stated else platformdirs.user_config_path("aimscope") / name


def curtain(config: Config, key: bytes) -> Curtain:
    """What is kept of people and devices."""
    return Curtain(config.privacy, key)


def _signed(feeds: Trust | None, role: str, notice: Callable[[str, str], None]) -> Catalogue | None:
    body = feeds.body("overlay" if role == "overlay" else "catalogue") if feeds is not None else None
    if body is None:
        return None
    try:
        found = bundle.unpack(body)
    except ValueError as error:
        notice(role, f"the signed {role} cannot be read by this version of aimscope: {error}")
        return None
    notice(role, "")
    return found
