"""`aimscope agent enrol`: make this machine known to a collector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.agents import ConfigFile

app = typer.Typer(add_completion=False)


@app.command()
def enrol(
    collector: Annotated[str, typer.Option(help="Address of the collector, https://…; else the configured one.")] = "",
    token: Annotated[str, typer.Option(help="The token. Others on this machine can see it: better a file.")] = "",
    token_file: Annotated[Path | None, typer.Option(help="File that holds the token.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificates that may vouch for the collector (PEM).")] = None,
    pin: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of a public key that its certificate must have (SPKI, hex).")
    ] = None,
    root: Annotated[str, typer.Option(help="Fingerprint of the only root of trust to accept.")] = "",
    proxy: Annotated[str, typer.Option(help="http://… of the proxy, or none; else as the environment says.")] = "",
    certificate: Annotated[Path | None, typer.Option(help="This agent's certificate, where one is asked for.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    config: ConfigFile = None,
) -> None:
    """Make this machine known to a collector, once. Asking twice gives the same answer.

    What is said here of how to reach the collector is remembered, unless the configuration names one. A machine that
    belongs to another collector, or a copy of its disk, gets an identity of its own and begins its totals anew.
    Exit status 0 also where somebody at the collector has yet to approve this machine.
    """
    import msgspec

    from aimscope_cli import enrolling
    from aimscope_cli.agents import folder
    from aimscope_cli.output import Failure, hint, say
    from aimscope_cli.settings import settings

    stated = settings(config).collector
    said = {
        "url": collector,
        "ca": str(ca.absolute()) if ca else "",
        "pins": tuple(pin or ()),
        "root": root,
        "proxy": proxy,
        "certificate": str(certificate.absolute()) if certificate else "",
        "key": str(key.absolute()) if key else "",
        "token_file": str(token_file.absolute()) if token_file else "",
    }
    chosen = msgspec.structs.replace(stated, **{name: value for name, value in said.items() if value})
    if not chosen.url:
        raise Failure("say where to enrol: --collector https://… or `collector: {url: …}` in the configuration")
    if token and token_file:
        raise Failure("one of --token and --token-file")
    done = enrolling.enrol(folder(), chosen, token, remember=not stated.url)
    say(f"Enrolled at {chosen.url} as {done.identity.uid}.")
    if stated.url and stated.url != chosen.url:
        hint(f"The configuration names {stated.url}: `aimscope agent run` reports there, unless you change that.")
    if done.anew:
        hint("This is a new identity: totals begin anew.")
    if not done.approved:
        hint("Somebody at the collector has yet to approve this machine; until then nothing is reported.")
