"""The organisation's own services: `aimscope collector overlay publish|list|withdraw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aimscope_cli.asking import Asker, Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json, moment
from aimscope_cli.output import Failure, emit_json, hint, say

app = typer.Typer(help="The organisation's own services, for all agents.", no_args_is_help=True, add_completion=False)
_PATH = "/catalogue/overlay"


@app.command()
def publish(
    path: Annotated[Path, typer.Argument(metavar="FILE_OR_FOLDER", help="A signature, or a folder of them.")],
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    replaces: Annotated[
        int | None, typer.Option(min=0, help="Refuse where another version than this one is in force.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check signatures as `aimscope signatures verify` does, sign them, and deliver them to every agent.

    They take the place of all that were published before.
    """
    files = _files(path)
    with asked(collector, key_file, ca, folder) as asker:
        found = _put(asker, files, replaces)
    if as_json:
        emit_json(found)
        return
    newest = found["items"][0]
    say(f"version {newest['version']} is published: {', '.join(newest['services'] or ())}")
    hint("Agents have it with their next check-in; what is known already is asked about again.")


@app.command("list")
def list_versions(
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Versions that were published, the newest first: it is the one in force."""
    with asked(collector, key_file, ca, folder) as asker:
        found = asker.get(_PATH)
    if as_json:
        emit_json(found)
        return
    for one in found["items"]:
        services = "made by another version of aimscope" if one["services"] is None else ", ".join(one["services"])
        state = "in force" if one["in_force"] else ""
        say(f"{one['version']:>5}  {moment(one['published_at'])}  {state:<8}  {services or 'nothing'}")
    if not found["items"]:
        hint("The organisation has published no services of its own.")


@app.command()
def withdraw(
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Publish that the organisation has no services of its own any more."""
    with asked(collector, key_file, ca, folder) as asker:
        found = _put(asker, {}, None)
    if as_json:
        emit_json(found)
        return
    say(f"version {found['items'][0]['version']} is published: no services")


def _put(asker: Asker, files: dict[str, str], replaces: int | None) -> Any:
    import msgspec

    params = {"replaces": replaces}
    body = msgspec.json.encode({"files": files})
    return msgspec.json.decode(asker.raw("PUT", _PATH, params, body, "application/json"))


def _files(path: Path) -> dict[str, str]:
    """The signatures of a folder (also in folders of their categories), or one file."""
    found = sorted((*path.glob("*.yaml"), *path.glob("*/*.yaml"))) if path.is_dir() else [path]
    if not found:
        raise Failure(f"{path} holds no signatures (ID.yaml); `withdraw` publishes that there are none")
    base = path if path.is_dir() else path.parent
    files = {}
    for each in found:
        try:
            files[each.relative_to(base).as_posix()] = each.read_bytes().decode()
        except OSError as error:
            raise Failure(f"{each} cannot be read: {error.strerror}") from None
        except UnicodeError:
            raise Failure(f"{each} is no text (UTF-8)") from None
    return files
