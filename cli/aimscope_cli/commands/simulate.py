"""`aimscope simulate`: a fleet that does not exist reports to a collector that does."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aimscope_cli.collecting import Database, Json
from aimscope_cli.options import Quiet
from aimscope_cli.output import Failure

if TYPE_CHECKING:
    import ssl

    from aimscope_collector.simulate.comparing import Verdict
    from aimscope_collector.simulate.plan import Fleet

app = typer.Typer(add_completion=False)


@app.command()
def simulate(
    hosts: Annotated[int, typer.Option(min=1, max=200_000, help="Employees' machines.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days, of which yesterday is the last.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed is the same fleet.")] = 7,
    collector: Annotated[
        str, typer.Option(help="Address of a collector for demonstrations; else one of its own on this machine.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option(help="With --collector: file with an enrolment token of enough uses.")
    ] = None,
    token: Annotated[str, typer.Option(help="The token itself. Others on this machine can see it.")] = "",
    ca: Annotated[
        Path | None,
        typer.Option(help="With --collector: certificates that may vouch for it (PEM)."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="New folder of its own collector, which is kept; else nothing is.")
    ] = None,
    database: Database = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a made-up fleet report through the real routes, and compare what the collector knows with the truth.

    Load test, demonstration and end-to-end test: units with their populations of tools, newcomers, tools that spread,
    personal accounts, MCP servers, AI of one's own, gateways, outages, wrong clocks, machines that are set up anew
    or copied, reports that come twice or late. Never use it on a collector that real machines report to.

    Exit status: 0 equal, or sent to --collector; 1 something differs, or was not kept; 2 usage.
    """
    from aimscope_cli.collecting import needs_collector

    needs_collector()
    if collector and (folder or database):
        raise Failure("--collector names one that runs already: --folder and --database are for one of its own")
    if not collector and (ca or token or token_file):
        raise Failure("--ca, --token and --token-file are for a collector that --collector names")
    trust = _trust(ca) if ca else None
    from aimscope_cli.catalogues import open_catalogue
    from aimscope_cli.collecting import now
    from aimscope_collector.simulate import fleet as fleets
    from aimscope_collector.simulate.plan import DAY, Plan

    plan = Plan(hosts=hosts, days=days, seed=seed, end=now() // DAY * DAY)
    fleet = fleets.draw(plan, open_catalogue())
    if collector:
        told = _play(fleet, collector.rstrip("/"), {"": _token(token, token_file)}, quiet=quiet, trust=trust)
        _show(told, None, as_json=as_json)
        return
    with _place(folder) as place:
        verdict, told = _own(fleet, place, database, quiet=quiet)
    _show(told, verdict, as_json=as_json)
    if not verdict.equal:
        raise typer.Exit(1)


def _own(fleet: Fleet, place: Path, database: str | None, *, quiet: bool) -> tuple[Verdict, dict[str, Any]]:
    """Against a collector of its own."""
    from aimscope_cli import loopback, simulated

    loopback.found(place, database)
    tokens = simulated.tokens(place, database, fleet)
    with loopback.serving(place, database, loopback.free_port()) as url:
        names: dict[tuple[int, int], tuple[str, str]] = {}
        told = _play(fleet, url, tokens, quiet=quiet, names=names)
        verdict = simulated.judged(place, database, fleet, names, quiet=quiet)
    return verdict, told


def _play(
    fleet: Fleet,
    url: str,
    tokens: dict[str, str],
    *,
    quiet: bool,
    names: dict[tuple[int, int], tuple[str, str]] | None = None,
    trust: ssl.SSLContext | None = None,
) -> dict[str, Any]:
    """What was done. ``run`` and ``plan`` say which agents these were, and what the truth is."""
    import asyncio
    import secrets
    import time

    from aimscope_cli.collecting import now
    from aimscope_cli.progress import progress
    from aimscope_cli.simulating import Player

    run = secrets.token_hex(4)
    with progress(quiet) as tell:
        player = Player(fleet, url, tokens, run=run, now=now(), tell=tell, trust=trust)
        began = time.monotonic()
        try:
            played = asyncio.run(player.play())
        except BaseExceptionGroup as group:
            raise _first(group) from None
    if names is not None:
        names.update(player.names())
    return {"played": played, "seconds": round(time.monotonic() - began, 1), "run": run, "plan": fleet.plan}


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first: connections fail together."""
    inner = group.exceptions[0]
    if isinstance(inner, BaseExceptionGroup):
        return _first(inner)
    return inner if isinstance(inner, Failure) else Failure(f"the collector cannot be asked: {inner!r}", status=1)


def _trust(file: Path) -> ssl.SSLContext:
    import ssl

    try:
        return ssl.create_default_context(cafile=str(file))
    except (OSError, ssl.SSLError) as error:
        raise Failure(f"{file} holds no certificates that can be read: {error.strerror or error}") from None


def _token(text: str, file: Path | None) -> str:
    if text:
        return text
    if file is None:
        raise Failure("--collector needs an enrolment token: --token-file FILE, or --token")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise Failure(f"{file} cannot be read: {error}") from None


@contextlib.contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="aimscope-simulate-") as temporary:
        yield Path(temporary) / "collector"


def _show(told: dict[str, Any], verdict: Verdict | None, *, as_json: bool) -> None:
    from aimscope_cli.output import emit_json, say

    played, seconds = told["played"], told["seconds"]
    if as_json:
        emit_json({**told, "verdict": verdict, "equal": verdict.equal if verdict else None})
        return
    say(
        f"{played.agents:,} agents enrolled, {played.reports:,} reports with {played.rows:,} rows in {seconds:,} s; "
        f"{played.repeated:,} sent again, {played.put_off:,} put off, {played.unanswered:,} unanswered, "
        f"{played.clones:,} copies of a golden image"
    )
    if verdict is None:
        return
    for name in ("rows", "count", "bytes", "services"):
        say(f"{name:9} true {getattr(verdict, f'{name}_true'):>16,}   kept {getattr(verdict, f'{name}_kept'):>16,}")
    say(f"findings of {verdict.services_found:,} services")
    say("The collector knows exactly what is true." if verdict.equal else f"{verdict.wrong:,} rows differ:")
    for example in verdict.examples:
        say(f"  {example}")
