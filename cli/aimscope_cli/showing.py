"""Show a scan's result in the forms that were asked for, and say by the exit status what it means."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from aimscope_cli.output import Failure, emit_json, emit_text, hint, say
from aimscope_cli.renderers import render

if TYPE_CHECKING:
    from aimscope_cli.report import Report
    from aimscope_cli.scanning import Request


_NAMED: Final = 8


def show(
    report: Report,
    forms: dict[str, Path | None],
    *,
    explain: bool = False,
    strict_coverage: bool = False,
    quiet: bool = False,
    failed: Sequence[str] = (),
    unread: Sequence[str] = (),
) -> None:
    """Write every form; text where nothing goes to standard output. Ends the command with the report's exit status.

    ``failed`` files were mostly unreadable, ``unread`` were named and not read: neither is a success.
    """
    from aimscope_cli.renderers import text
    from aimscope_cli.report import exit_status

    for form, path in forms.items():
        document = render(form, report)
        if path is None:
            if document:  # of no events, not even an empty line
                emit_text(document)
        else:
            _write(path, document)
            if not quiet:
                hint(f"{path} written")
    if not any(path is None for path in forms.values()):
        for line, style in text.lines(report, explain=explain):
            say(line, style)
        if not quiet:
            for line in report.hints:
                hint(f"→ {line}")
    for note in report.notes:
        hint(note)
    status = exit_status(report, strict_coverage=strict_coverage)
    raise typer.Exit(unsuccessful(status, failed, unread))


def unsuccessful(status: int, failed: Sequence[str], unread: Sequence[str]) -> int:
    """The exit status where files could not be read, which are named: 2, but what was found weighs more."""
    for what, files in (("mostly unreadable", failed), ("not read", unread)):
        if files:
            more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
            hint(f"{what}: {', '.join(files[:_NAMED])}{more}")
    return 2 if (failed or unread) and status in {0, 4} else status


def show_plan(request: Request, *, as_json: bool) -> None:
    """What a scan would read, before anything is read."""
    from aimscope_agent.scan import plan
    from aimscope_cli.catalogues import open_catalogue
    from aimscope_cli.scanning import chosen_sensors

    planned = plan(request.host, chosen_sensors(request), open_catalogue().interests, request.options)
    if as_json:
        emit_json(planned)
        return
    say("Homes: " + (", ".join(planned.homes) or "none"))
    say("Folders whose names are walked: " + (", ".join(planned.walked) or "none"))
    for sensor in planned.sensors:
        say()
        say(f"{sensor.sensor} ({sensor.status.value}): {sensor.doc}")
        if sensor.privacy:
            say(f"  privacy: {sensor.privacy}")
        for ask in sensor.asks:
            say(f"  asks for {ask}")
        for glob in sensor.globs:
            say(f"  {glob}")


def _write(path: Path, document: str) -> None:
    """Whole or not at all, readable by this user: a report names people and machines.

    What is no file (a device, a pipe) is written into, never replaced.
    """
    draft: Path | None = None
    try:
        if path.exists() and (not path.is_file() or path.parent == Path("/dev")):  # /dev/stdout may lead to a file
            with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
                file.write(document)
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".aimscope-")
        draft = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(document)
        draft.replace(path)
    except BaseException as error:
        if draft is not None:
            with contextlib.suppress(OSError):
                draft.unlink()
        if isinstance(error, OSError):
            raise Failure(f"{path} cannot be written: {error.strerror}") from None
        raise
