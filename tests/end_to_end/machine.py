"""A machine of our own to scan: private processes, sockets and mounts, and one account that lives in a throw-away home.

The account file in force there names that home as the only one, the identifier of the machine is its own, folders where
other people or other software live are covered, and the network is a loopback of its own. The real home stays in place
below all that, because the interpreter and the environments may lie in it; but it belongs to nobody there, so no scan
looks at it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from tests.end_to_end import program

_COVERED = ("/home", "/opt", "/srv")
_IDENTIFIERS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_SECONDS = 240

# SIOCSIFFLAGS: IFF_UP for `lo`, as `ip link set lo up` does; iproute2 need not be installed
_LOOPBACK = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x1))"
)  # fmt: skip


class NotPermittedError(Exception):
    """This system does not let us make namespaces; the message is its own."""


class Machine:
    """Namespaces that live as long as this object. ``home`` is the only home in them, ``folder`` is for our files."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder
        missing = [tool for tool in ("unshare", "nsenter", "mount") if not shutil.which(tool)]
        if missing:
            raise NotPermittedError(f"not installed: {', '.join(missing)}")
        # what the real home's folder is called is the account here: a scan looks at one home for one name
        name = Path.home().name
        accounts = folder / "passwd"
        accounts.write_text(f"{name}:x:0:0::{home}:/bin/sh\n")
        needed = {
            path.resolve()
            for path in (
                home,
                folder,
                Path(sys.base_prefix),
                Path(sys.prefix),
                Path(shutil.which("node") or "/usr/bin"),
            )
        }
        covered = [place for name in _COVERED for place in _coverable(Path(name), needed)]
        identifier = folder / "machine-id"
        identifier.write_text(f"{hashlib.md5(bytes(folder), usedforsecurity=False).hexdigest()}\n")
        told = [path for path in _IDENTIFIERS if Path(path).is_file() and not Path(path).is_symlink()]
        owned = [f"mount --bind {accounts} /etc/passwd", *(f"mount --bind {identifier} {path}" for path in told)]
        steps = [*owned, *(f"mount -t tmpfs none {place}" for place in covered)]
        script = " && ".join((*steps, f'{sys.executable} -c "{_LOOPBACK}"', "echo ready", "exec cat"))
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self._entering = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        self._init = subprocess.Popen(
            [
                "unshare",
                *user,
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "--mount",
                "--net",
                "sh",
                "-c",
                script,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._init.stdout
        assert self._init.stderr
        if self._init.stdout.readline() != "ready\n":
            self._init.kill()
            raise NotPermittedError(self._init.stderr.read().strip() or "namespaces are not permitted")
        self.inside = psutil.Process(self._init.pid).children()[0].pid
        """A process in there, by its number out here."""
        self._started: list[subprocess.Popen[bytes]] = []

    def close(self) -> None:
        """End everything that runs in it."""
        self._init.kill()
        self._init.communicate()
        for process in self._started:
            process.communicate()

    def _enter(self, command: Sequence[str | Path], folder: Path | None = None) -> list[str]:
        """A command line that runs in here, and in a folder as it is mounted in here."""
        spaces = [*self._entering, "--pid", "--mount", "--net"]
        moved = ["sh", "-c", 'cd "$0" && exec "$@"', str(folder or self.folder)]
        return ["nsenter", "--target", str(self.inside), *spaces, *moved, *map(str, command)]

    def aimscope(
        self, *arguments: str | Path, folder: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed program here."""
        return subprocess.run(
            self._enter([program.AIMSCOPE, *arguments], folder),
            env={**self.environment(), **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def scanning(self) -> subprocess.Popen[bytes]:
        """Start a scan of this machine and do not wait for it."""
        return self.start([program.AIMSCOPE, "scan", "--json"], self.folder / "scanning.log")

    def environment(self) -> dict[str, str]:
        return program.environment(self.home, self.folder)

    def start(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start what is to run on while we scan; what it says goes to ``log``."""
        path = f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self._enter(command, folder),
                env={**self.environment(), "PATH": path, **(environ or {})},
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._started.append(process)
        _entered(process)
        return process

    def answers(self, url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
        """Wait until something answers at a URL in here, whatever it is; ``AssertionError`` if nothing does."""
        ask = (
            "import sys, urllib.request, urllib.error\n"
            "try: urllib.request.urlopen(sys.argv[1], timeout=5)\n"
            "except urllib.error.HTTPError: pass\n"
            "except OSError: sys.exit(1)\n"
        )
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            asked = subprocess.run(
                self._enter([sys.executable, "-c", ask, url]), check=False, capture_output=True, env=self.environment()
            )
            if asked.returncode == 0:
                return
            assert process.poll() is None, f"{url}: ended with {process.returncode}:\n{_tail(log)}"
            time.sleep(0.5)
        raise AssertionError(f"{url}: no answer after {seconds:g} s:\n{_tail(log)}")


def _entered(process: subprocess.Popen[bytes]) -> None:
    """Wait until what was started is itself running, and no more the tools that bring it in."""
    bringing = {"nsenter", "sh"}
    for _ in range(1_000):
        try:
            inside = psutil.Process(process.pid).children()
            if process.poll() is not None or (inside and inside[0].name() not in bringing):
                return
        except psutil.NoSuchProcess:
            return
        time.sleep(0.01)


def _coverable(place: Path, needed: Collection[Path]) -> Iterator[Path]:
    """The folder, or where something is needed below it, what lies beside that."""
    if not place.is_dir() or place.is_symlink() or place in needed:
        return
    if any(one.is_relative_to(place) for one in needed):
        for child in place.iterdir():
            yield from _coverable(child, needed)
    else:
        yield place


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
