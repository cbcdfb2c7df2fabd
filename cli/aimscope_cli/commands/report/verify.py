"""Verify a pack: without a collector, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.collecting import Json
from aimscope_cli.output import Failure, emit_json, hint, say

app = typer.Typer(add_completion=False)
_ALTERED = 1
_MOST = 20


@app.command()
def verify(
    pack: Annotated[Path, typer.Argument(help="The zip.")],
    fingerprint: Annotated[
        str, typer.Option(help="Of the collector's key, as its administrator told it by another way than the pack.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Whether a pack is as the collector wrote it. Needs no collector and no network.

    Exit status: 0 each file is as it was signed; 1 something was altered, which is named; 2 it is no pack.
    """
    from aimscope_collector.reports.verify import NotAPackError
    from aimscope_collector.reports.verify import verify as check

    try:
        found = check(pack, fingerprint=fingerprint)
    except NotAPackError as error:
        raise Failure(str(error)) from None
    if as_json:
        emit_json({**{name: getattr(found, name) for name in found.__struct_fields__}, "whole": found.whole})
    elif found.whole:
        say(f"{found.files} files are as they were signed")
        say(f"signed by the key {found.fingerprint}")
    if not found.whole:
        more = len(found.problems) - _MOST
        details = (*found.problems[:_MOST], *((f"and {more:,} more",) if more > 0 else ()))
        raise Failure("the pack is not as the collector wrote it", status=_ALTERED, details=details)
    if not found.compared:
        hint(
            "Whose key it is, the pack cannot prove: compare the fingerprint with the one that the collector's "
            "administrator tells you (`aimscope collector status`), or give it with --fingerprint."
        )
