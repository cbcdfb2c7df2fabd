"""`aimscope agent import-catalogue`: a signed catalogue or policy from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("import-catalogue")
def import_catalogue(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A signed catalogue, overlay, policy or root.")],
    root: Annotated[
        str, typer.Option(help="Fingerprint of the only root of trust to begin with, where there is none yet.")
    ] = "",
) -> None:
    """Put in force what somebody brought as a file, where no collector can be reached.

    It is believed only for its signatures, as if it had come from the collector: an older version, too few
    signatures or one that has expired is refused, and what was in force stays.
    """
    from aimscope_agent.service.folder import FolderError
    from aimscope_agent.trust import Trust, TrustError
    from aimscope_cli.agents import alone, folder, now
    from aimscope_cli.output import Failure, say
    from aimscope_cli.settings import settings
    from aimscope_signatures.signed import LARGEST_PARCEL, Refused

    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_PARCEL + 1)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    where = folder()
    with alone(where):
        try:
            trust = Trust(where.trust)
            result = trust.import_parcel(data, now(), fingerprint=root or settings().collector.root)
        except (TrustError, FolderError) as error:
            raise Failure(str(error)) from None
    if isinstance(result, Refused):
        raise Failure(f"{path} is refused: {result.reason}")
    statement = result.statement
    say(f"{statement.role} version {statement.version} is in force.")
