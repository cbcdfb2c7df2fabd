"""Which catalogue a command works with: what came with aimscope, and the organisation's own services on top."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aimscope_cli.output import Failure

if TYPE_CHECKING:
    from aimscope_signatures.catalogue import Catalogue


def own_folder() -> Path:
    """Where the organisation's own signatures lie: `AIMSCOPE_SERVICES`, else the configuration folder."""
    import platformdirs

    stated = os.environ.get("AIMSCOPE_SERVICES")
    return Path(stated) if stated else platformdirs.user_config_path("aimscope") / "services"


def open_catalogue() -> Catalogue:
    """The catalogue in force. Raises `Failure` naming file and line of what is malformed."""
    from aimscope_signatures import bundle, catalogue
    from aimscope_signatures.signature import Refused

    try:
        found = bundle.shipped()
        own = own_folder()
        if own.is_dir() and catalogue.files(own):
            found = found.overlaid(bundle.loaded(own))
    except Refused as refused:
        raise Failure("the catalogue has malformed files", details=map(str, refused.problems)) from None
    except ValueError as error:
        raise Failure(f"{error}; install aimscope again") from None
    return found
