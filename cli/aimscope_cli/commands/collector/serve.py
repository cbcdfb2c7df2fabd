"""Run the collector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.collecting import Database, Folder, folder_of, needs_collector, now, told, where
from aimscope_cli.output import Failure, hint

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    folder: Folder = None,
    database: Database = None,
    listen: Annotated[str, typer.Option(help="Where to listen: ADDRESS:PORT.")] = "127.0.0.1:8443",
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its private key, PEM.")] = None,
    client_ca: Annotated[
        Path | None, typer.Option("--client-ca", help="Only clients with a certificate of this authority, PEM.")
    ] = None,
    behind_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--behind-proxy", help="Address of the proxy that speaks TLS; nobody else is answered. Repeatable."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line when it is ready.")] = False,
) -> None:
    """Answer agents and people until told to stop (SIGTERM, Ctrl-C); then finish what was begun.

    Without TLS only on loopback, or behind a proxy that is named.
    """
    needs_collector()
    import asyncio
    import logging
    import os
    import random

    from aimscope_cli.catalogues import open_catalogue
    from aimscope_collector import serving
    from aimscope_collector.app import assembled

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    place = folder_of(folder)
    try:
        host, port = serving.parsed(listen)
        listening = serving.Listening(
            host=host,
            port=port,
            cert=tls_cert,
            key=tls_key,
            client_ca=client_ca,
            proxies=tuple(behind_proxy or ()),
        )
        serving.check(listening)
        with told():
            collector = assembled(
                place,
                where=where(place, database),
                catalogue=open_catalogue(),
                now=now,
                randomness=os.urandom,
                uniform=random.random,
            )
            scheme = "https" if tls_cert else "http"

            def ready() -> None:
                if not quiet:
                    hint(f"aimscope collector: {scheme}://{listen} answers")

            asyncio.run(serving.serve(collector, listening, ready=ready))
    except serving.ServeError as error:
        raise Failure(str(error)) from None
