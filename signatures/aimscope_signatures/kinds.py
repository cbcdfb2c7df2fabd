"""The vocabulary of facts: every kind of observation, its fields, and what it may prove.

Everything else is checked against this table: sensors and log formats may emit only these kinds and
fields, signatures may test only these, the documentation and the privacy notes are generated from it.

A field has a *type*: two fields of one type hold the same sort of value (``hostname`` in a DNS query
and in a TLS hello), so a signature states a value once and it is found in every kind that carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

FieldType = Literal[
    "app_id",  # "<manager>:<identifier>", e.g. "bundle:com.openai.chat", "dpkg:ollama"
    "env_name",
    "extension_id",  # "<store>:<identifier>", e.g. "chrome:<32 letters>", "vscode:publisher.name"
    "flag",
    "hostname",  # lower case, no trailing dot, no port
    "image",  # container image without default registry, tag and digest: "ollama/ollama"
    "integer",
    "ip",
    "key",  # a credential's text: exists only inside `match key`, never in an observation
    "key_pattern",  # "<service>#<n>": which pattern of the catalogue a credential fitted
    "model_id",
    "package",  # "<ecosystem>:<name>", e.g. "pypi:openai", "npm:@openai/codex", "pymod:openai"
    "path",  # forward slashes; a user's home is written "~"
    "process_name",  # base name of the executable, without ".exe"
    "text",
    "texts",  # several texts; a test holds when it holds for one of them
    "url_path",
    "user_agent",
]

Identity = Literal["low", "medium", "high", "certain"]
"""How sure it is that *this* is the service (not how much it is used)."""

Presence = Literal["mentioned", "configured", "installed", "used"]
"""What the fact says about use here: named in code, set up, on disk, or seen at work."""

IDENTITIES: Final[tuple[Identity, ...]] = ("low", "medium", "high", "certain")
PRESENCES: Final[tuple[Presence, ...]] = ("mentioned", "configured", "installed", "used")


class Field(msgspec.Struct, frozen=True):
    """One typed field of a kind. ``personal`` fields are pseudonymised or dropped before they leave."""

    type: FieldType
    doc: str
    personal: bool = False
    local: bool = False
    """Read for matching only: never stored, never reported."""
    context: bool = False
    """Describes the surroundings: no section of a signature is matched against it (a clause may be)."""


class Kind(msgspec.Struct, frozen=True):
    """The contract of one observable.

    ``evidence`` names the fields that tell two pieces of evidence apart (no user, pid, version or time
    among them); ``ceiling`` is the best identity a match of this kind may claim; ``counts`` says whether
    the kind counts once per UTC day (``state``: an installed package) or per event.
    """

    name: str
    doc: str
    fields: dict[str, Field]
    evidence: tuple[str, ...]
    presence: Presence
    ceiling: Identity = "certain"
    counts: Literal["state", "event"] = "state"


def _kind(
    name: str,
    doc: str,
    /,
    *,
    evidence: str,
    presence: Presence,
    ceiling: Identity = "certain",
    counts: Literal["state", "event"] = "state",
    **fields: Field,
) -> Kind:
    return Kind(name, doc, fields, tuple(evidence.split()), presence, ceiling, counts)


_VERSION = Field("text", "Version as the source states it.")
_PROCESS = Field("process_name", "Base name of the executable, without `.exe`.")
_RESOLVED = Field(
    "package",
    "What an interpreter or launcher really runs: `npm:@anthropic-ai/claude-code`, `pypi:vllm`, `jar:name`.",
)
_PATH = Field("path", "Where it was found; `~` stands for the user's home.")
_OWNER = Field("process_name", "Process it belongs to.", context=True)
_COMMAND = Field("text", "Command line with values that may be secret or content replaced by `…`.", local=True)

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        _kind(
            "process",
            "A running program.",
            evidence="name package",
            presence="used",
            counts="event",
            name=_PROCESS,
            exe=Field("path", "Executable path.", personal=True),
            command=_COMMAND,
            script=Field("path", "Script an interpreter runs.", personal=True),
            package=_RESOLVED,
            parent=Field("process_name", "Base name of the parent's executable.", context=True),
            signer=Field("text", "Subject of the code signature, where the platform tells."),
            pid=Field("integer", "Process id.", local=True),
            started=Field("integer", "Start time, seconds since 1970 UTC."),
        ),
        _kind(
            "service",
            "A system or user service (systemd unit, launchd job, Windows service).",
            evidence="manager name",
            presence="configured",
            manager=Field("text", "`systemd`, `launchd` or `windows`."),
            name=Field("text", "Unit, label or service name."),
            process=_PROCESS,
            package=_RESOLVED,
            command=_COMMAND,
            enabled=Field("flag", "Starts by itself."),
            path=_PATH,
        ),
        _kind(
            "scheduled_task",
            "A timed job: cron, systemd timer, launchd calendar job, Windows task.",
            evidence="scheduler name process package",
            presence="configured",
            scheduler=Field("text", "`cron`, `systemd`, `launchd` or `windows`."),
            name=Field("text", "Task or file name."),
            process=_PROCESS,
            package=_RESOLVED,
            command=_COMMAND,
            path=_PATH,
        ),
        _kind(
            "listener",
            "A listening TCP socket.",
            evidence="process package port",
            presence="used",
            address=Field("ip", "Local address."),
            port=Field("integer", "Local port."),
            process=_PROCESS,
            package=_RESOLVED,
        ),
        _kind(
            "http.response",
            "What a local server answered to one read-only request of the probe.",
            evidence="port",
            presence="used",
            port=Field("integer", "Port that answered."),
            path=Field("url_path", "Path that was asked."),
            status=Field("integer", "HTTP status."),
            server=Field("text", "`Server` header."),
            headers=Field("texts", "Header lines, lower-case names: `x-name: value`.", local=True),
            content_type=Field("text", "Media type without parameters."),
            title=Field("text", "HTML title.", local=True),
            body=Field("text", "First 4,096 characters; JSON is written compactly.", local=True),
            process=_OWNER,
        ),
        _kind(
            "connection",
            "An established connection of a process to a remote server.",
            evidence="process package host",
            presence="used",
            counts="event",
            host=Field("hostname", "Remote name, only from this machine's own unexpired DNS answer."),
            ip=Field("ip", "Remote address."),
            port=Field("integer", "Remote port."),
            process=_PROCESS,
            package=_RESOLVED,
        ),
        _kind(
            "application",
            "Software known to the operating system or a package manager.",
            evidence="id",
            presence="installed",
            id=Field("app_id", "`bundle:`, `winget:`, `msix:`, `uninstall:`, `dpkg:`, `rpm:`, `snap:`, `cask:`, …"),
            name=Field("text", "Display name."),
            version=_VERSION,
            publisher=Field("text", "Publisher, maintainer or signing team."),
            team_id=Field("text", "Apple team identifier."),
            path=_PATH,
        ),
        _kind(
            "package",
            "A library or tool of a language ecosystem that is installed.",
            evidence="package",
            presence="installed",
            package=Field("package", "`pypi:openai`, `npm:@openai/codex`, `cargo:aichat`, `go:…`, `gem:…`."),
            version=_VERSION,
            manager=Field("text", "How it was installed: `pip`, `pipx`, `uv`, `conda`, `npm`, `pnpm`, …"),
            path=_PATH,
        ),
        _kind(
            "editor_extension",
            "A plugin of an editor or IDE.",
            evidence="id editor",
            presence="installed",
            id=Field("extension_id", "`vscode:publisher.name`, `jetbrains:<plugin id>`, `vim:<folder>`, …"),
            editor=Field("text", "Editor that holds it, e.g. `vscode`, `cursor`, `pycharm`, `neovim`."),
            version=_VERSION,
            path=_PATH,
        ),
        _kind(
            "browser_extension",
            "An extension of a web browser profile.",
            evidence="id browser",
            presence="installed",
            id=Field("extension_id", "`chrome:<id>` (all Chromium family), `firefox:<id>`, `safari:<bundle id>`."),
            browser=Field("text", "`chrome`, `edge`, `brave`, `firefox`, …"),
            name=Field("text", "Name in the manifest."),
            version=_VERSION,
            enabled=Field("flag", "Switched on in this profile."),
            profile=Field("text", "Profile folder.", personal=True),
        ),
        _kind(
            "mcp_server",
            "A Model Context Protocol server that a client is configured to use.",
            evidence="client name package host",
            presence="configured",
            client=Field("text", "Client whose configuration names it, e.g. `claude-desktop`."),
            name=Field("text", "Name the configuration gives it."),
            transport=Field("text", "`stdio`, `http`, `sse` or `unknown`."),
            process=_PROCESS,
            package=_RESOLVED,
            image=Field("image", "Container image it runs from."),
            host=Field("hostname", "Host of a remote server."),
            remote=Field("flag", "Runs on another machine."),
            enabled=Field("flag", "Not switched off in the configuration."),
            secrets=Field("texts", "Names of the environment variables and headers it is handed."),
            path=_PATH,
        ),
        _kind(
            "config_file",
            "A configuration file or folder that an AI tool keeps for itself.",
            evidence="path",
            presence="configured",
            path=_PATH,
        ),
        _kind(
            "project_file",
            "A file in a project that instructs an AI agent (`CLAUDE.md`, `.cursor/rules`).",
            evidence="path",
            presence="configured",
            ceiling="high",
            path=Field("path", "Path below the project root, written `./CLAUDE.md`."),
            project=Field("path", "The project root.", personal=True),
        ),
        _kind(
            "model",
            "A model's weights on disk.",
            evidence="id",
            presence="installed",
            id=Field("model_id", "Name, with the publisher where known: `meta-llama/Llama-3.1-8B`."),
            format=Field("text", "`gguf`, `safetensors`, `onnx` or `ollama`."),
            architecture=Field("text", "Architecture the header or configuration names."),
            publisher=Field("text", "Organisation, where header or path names it."),
            size=Field("integer", "Bytes on disk."),
            runtime=Field("text", "Tool whose store holds it, e.g. `ollama`, `huggingface`."),
            path=_PATH,
        ),
        _kind(
            "credential",
            "That a credential for an AI service exists; never the credential.",
            evidence="env_name key_pattern place",
            presence="configured",
            env_name=Field("env_name", "Name of the variable or setting that holds it."),
            key_pattern=Field("key_pattern", "Which pattern of the catalogue the value fits."),
            place=Field("text", "`shell`, `dotenv`, `config` or `process`."),
            path=_PATH,
            digest=Field("text", "Keyed digest, tells two apart on this machine and no more."),
            process=_OWNER,
        ),
        _kind(
            "account",
            "Which account an AI tool's own configuration names: its domain, never the address.",
            evidence="path domain",
            presence="used",
            path=_PATH,
            domain=Field("text", "Domain part of the account's address."),
            organisational=Field("flag", "Whether the domain is one of the organisation's; absent if unknown."),
        ),
        _kind(
            "container",
            "A container image, and whether a container of it runs.",
            evidence="image runtime",
            presence="installed",
            image=Field("image", "Image without default registry, tag and digest."),
            runtime=Field("text", "`docker`, `podman` or `containerd`."),
            tag=Field("text", "Tag."),
            name=Field("text", "Container name."),
            running=Field("flag", "A container of it is running."),
        ),
        _kind(
            "code.package",
            "An AI library that a project declares or imports, installed or not.",
            evidence="package",
            presence="mentioned",
            package=Field("package", "As for `package`; imports are `pymod:…`, `npm:…`, `go:…`."),
            how=Field("text", "`manifest`, `lock` or `import`."),
            path=Field("path", "File, relative to the scanned folder."),
            line=Field("integer", "Line, from 1."),
        ),
        _kind(
            "code.endpoint",
            "A host name written in a project's source.",
            evidence="host",
            presence="mentioned",
            host=Field("hostname", "Host name."),
            url_path=Field("url_path", "Path of the URL.", local=True),
            path=Field("path", "File, relative to the scanned folder."),
            line=Field("integer", "Line, from 1."),
        ),
        _kind(
            "code.model",
            "A model id written in a project's source.",
            evidence="model",
            presence="mentioned",
            ceiling="medium",
            model=Field("model_id", "Model id."),
            path=Field("path", "File, relative to the scanned folder."),
            line=Field("integer", "Line, from 1."),
        ),
        _kind(
            "code.image",
            "A container image that a Dockerfile, compose or CI file uses.",
            evidence="image",
            presence="mentioned",
            image=Field("image", "Image without default registry, tag and digest."),
            path=Field("path", "File, relative to the scanned folder."),
            line=Field("integer", "Line, from 1."),
        ),
        _kind(
            "shell.command",
            "An AI tool started from a shell, as its history tells (opt-in).",
            evidence="process package",
            presence="used",
            counts="event",
            process=_PROCESS,
            package=_RESOLVED,
            count=Field("integer", "How often."),
        ),
        _kind(
            "browser.visit",
            "A host that a browser profile visited (opt-in): host and count, no address, no title.",
            evidence="host",
            presence="used",
            counts="event",
            host=Field("hostname", "Host name."),
            browser=Field("text", "Browser."),
            count=Field("integer", "How often."),
            last=Field("integer", "Last visit, seconds since 1970 UTC."),
        ),
        _kind(
            "dns.query",
            "A name somebody asked for.",
            evidence="name",
            presence="used",
            ceiling="high",
            counts="event",
            name=Field("hostname", "Name asked for."),
            client=Field("ip", "Who asked.", personal=True),
        ),
        _kind(
            "tls.client_hello",
            "The start of an encrypted connection (TLS or QUIC).",
            evidence="server_name",
            presence="used",
            counts="event",
            server_name=Field("hostname", "Server name indication."),
            ja4=Field("text", "JA4 fingerprint of the client."),
            client=Field("ip", "Who connected.", personal=True),
        ),
        _kind(
            "http.request",
            "A request that was not encrypted, or that a proxy logged.",
            evidence="host",
            presence="used",
            counts="event",
            host=Field("hostname", "Host asked."),
            path=Field("url_path", "Path, kept only where a signature needs it.", local=True),
            method=Field("text", "Method."),
            user_agent=Field("user_agent", "Client software as it names itself.", local=True),
            client=Field("ip", "Who asked.", personal=True),
        ),
    )
}


def capped(identity: Identity, ceiling: Identity) -> Identity:
    """The weaker of two identities."""
    return IDENTITIES[min(IDENTITIES.index(identity), IDENTITIES.index(ceiling))]


def fields_of_type(wanted: FieldType) -> Iterable[tuple[Kind, str]]:
    """Every ``(kind, field name)`` whose field is of the wanted type."""
    for kind in KINDS.values():
        for name, field in kind.fields.items():
            if field.type == wanted:
                yield kind, name
