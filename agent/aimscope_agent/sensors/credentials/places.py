"""Where credentials are looked for: start-up files of shells, dotenv files, configuration of AI tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Status

Place = Literal["shell", "dotenv", "config"]

_POSIX: Final = (
    "~/{.bashrc,.bash_profile,.bash_login,.bash_aliases,.profile,.xprofile,.kshrc,.cshrc,.tcshrc}",
    "~/{,.config/zsh/,.zsh/}{.zshrc,.zprofile,.zshenv,.zlogin}",
    "~/{.zshrc,.bashrc}.local",
    "~/{.oh-my-zsh/custom,.config/zsh,.zsh,.zshrc.d,.bashrc.d}/*.{zsh,sh}",
    "~/.config/environment.d/*.conf",
    "~/.config/fish/config.fish",
    "~/.config/fish/conf.d/*.fish",
    "~/.config/powershell/*profile.ps1",
    "/etc/{environment,profile,bash.bashrc,bashrc,zshrc,zshenv,zprofile}",
    "/etc/zsh/{zshrc,zshenv,zprofile}",
    "/etc/profile.d/*.sh",
    "/etc/environment.d/*.conf",
    "/etc/{default,sysconfig}/*",
    "~/.config/nushell/{env,config}.nu",
)
_WINDOWS: Final = (
    "~/{.bashrc,.bash_profile,.profile}",
    "~/Documents/{PowerShell,WindowsPowerShell}/*profile.ps1",
    "~/OneDrive*/Documents/{PowerShell,WindowsPowerShell}/*profile.ps1",
    "/Windows/System32/WindowsPowerShell/v1.0/*profile.ps1",
    "/Program Files/PowerShell/7/*profile.ps1",
)
SHELL: Final = (*_POSIX, *_WINDOWS)
DOTENV: Final = ("**/.env", "**/.env.*", "**/.envrc")
HANDED: Final = (
    "**/{docker-compose,compose}{,.*}.{yml,yaml}",
    "/var/lib/docker/containers/*/config.v2.json",
    "**/.streamlit/secrets.toml",
)
"""Files that hand variables to containers and web applications."""
JOBS: Final = ("/Library/{LaunchAgents,LaunchDaemons}/*.plist", "~/Library/LaunchAgents/*.plist")
"""launchd's jobs: each may state variables for what it starts."""
ENVIRONMENT_OF_MACHINE: Final = "HKLM/SYSTEM/CurrentControlSet/Control/Session Manager"
"""Key whose subkey ``Environment`` holds what `setx /M` wrote; that of `setx` lies directly in a user's hive."""

_SETTINGS = (".json", ".jsonc", ".json5", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".conf", ".env", ".properties")
_TELLING = re.compile(r"config|settings|auth|credential|token|secret|key|account|provider|mcp|profile|env|rc\Z")
_EXAMPLES = {"example", "sample", "template"}
_MOST_FILES = 1_000
"""Below one folder of a tool."""


def wanted(interests: Interests) -> Iterator[str]:
    """Globs for the configuration of tools: single files, and of a tool's folder its first two levels."""
    for pattern in (*interests.mcp_config, *interests.config):
        yield from _globs(pattern)


def _globs(pattern: str) -> tuple[str, ...]:
    if not pattern.startswith(("~/", "/", "./")):
        return ()
    folder, everything, _ = pattern.partition("/**")
    return (folder + "/*", folder + "/*/*") if everything else (pattern,)


def files(look: Look) -> Iterator[tuple[Place, Found]]:
    """Every file to look into, once."""
    seen: set[str] = set()
    for place, file in _files(look):
        name = file.host_path.rpartition("/")[2].lower()
        dotenv = name == ".env" or name.startswith(".env.")
        if file.host_path in seen or (dotenv and _EXAMPLES & set(name.split("."))):
            continue
        seen.add(file.host_path)
        yield ("dotenv" if dotenv else place), file


def _files(look: Look) -> Iterator[tuple[Place, Found]]:
    for glob in _WINDOWS if look.platform == "windows" else _POSIX:
        for file in look.found(glob):
            yield "shell", file
    for glob in DOTENV:
        for file in look.found(glob):
            yield "dotenv", file
    for glob in HANDED:
        for file in look.found(glob):
            yield "config", file
    for pattern in (*look.interests.mcp_config, *look.interests.config):
        for glob in _globs(pattern):
            settings = (file for file in look.found(glob) if "*" not in glob or _holds_settings(file, glob))
            for number, file in enumerate(settings):
                if number >= _MOST_FILES:
                    reason = f"more than {_MOST_FILES:,} files of settings"
                    look.gap(file.path.rpartition("/")[0], Status.PARTIAL, reason)
                    break
                yield "config", file


def _holds_settings(file: Found, glob: str) -> bool:
    """Whether a file of a tool's folder may be configuration, by its name: not its logs, sessions and databases."""
    name = file.host_path.rpartition("/")[2].lower()
    settings = name.endswith(_SETTINGS)
    if settings and not glob.endswith("/*/*"):
        return True
    return (settings or "." not in name[1:]) and _TELLING.search(name) is not None
