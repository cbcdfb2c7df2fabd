"""The only commands that are ever run: fixed, read-only, without a shell, found in system folders only."""

from __future__ import annotations

from typing import Final

import msgspec

from aimscope_agent.host.facts import Platform

SEARCHED: Final[dict[Platform, tuple[str, ...]]] = {
    "linux": ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"),
    "macos": ("/usr/bin", "/bin", "/usr/sbin", "/sbin"),
    "windows": ("C:/Windows/System32/WindowsPowerShell/v1.0", "C:/Windows/System32"),
}
"""A user's own PATH is not asked: a scan may run with more rights than that user."""

MOST_OUTPUT: Final = 16 * 1_048_576


class Command(msgspec.Struct, frozen=True):
    """One command.

    ``argv`` starts with the program's file name; ``traces`` are paths that show that the command would have
    something to tell; ``seconds`` bounds its time; ``privileged`` ones are not tried without privilege, because
    they would fail or ask somebody for a password.
    """

    argv: tuple[str, ...]
    platforms: tuple[Platform, ...]
    traces: tuple[str, ...] = ()
    seconds: float = 20.0
    privileged: bool = False


def _powershell(script: str) -> tuple[str, ...]:
    encoding = "[Console]::OutputEncoding=[Text.Encoding]::UTF8;"
    return ("powershell.exe", "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", encoding + script)


def _containerd(*words: str) -> Command:
    return Command(("ctr", *words), ("linux",), ("/run/containerd/containerd.sock",), privileged=True)


COMMANDS: Final[dict[str, Command]] = {
    # name TAB version-release TAB vendor, a line each
    "rpm": Command(
        ("rpm", "-qa", "--qf", r"%{NAME}\t%{VERSION}-%{RELEASE}\t%{VENDOR}\n"),
        ("linux",),
        ("/var/lib/rpm", "/usr/lib/sysimage/rpm"),
    ),
    # one image reference a line, in containerd's own namespace and in that of Kubernetes
    "ctr-images": _containerd("images", "list", "-q"),
    "ctr-images-k8s": _containerd("--namespace", "k8s.io", "images", "list", "-q"),
    # a header line, then: container id, image, runtime
    "ctr-containers": _containerd("containers", "list"),
    "ctr-containers-k8s": _containerd("--namespace", "k8s.io", "containers", "list"),
    # container ids of running tasks
    "ctr-tasks": _containerd("tasks", "list", "-q"),
    "ctr-tasks-k8s": _containerd("--namespace", "k8s.io", "tasks", "list", "-q"),
    "dns-linux": Command(
        ("resolvectl", "show-cache", "--json=short", "--no-pager"), ("linux",), seconds=5.0, privileged=True
    ),
    "dns-windows": Command(
        _powershell(
            "ConvertTo-Json -Compress -InputObject @(Get-DnsClientCache -Status Success | "
            "Select-Object Entry,Data,TimeToLive,@{n='Type';e={[int]$_.Type}})"
        ),
        ("windows",),
    ),
}
