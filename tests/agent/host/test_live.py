"""The live host, asked about a process of our own: on Linux in namespaces of its own where that is permitted."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import aimscope_agent
import aimscope_signatures
from aimscope_agent.host import live
from aimscope_agent.host.commands import COMMANDS, SEARCHED
from aimscope_agent.host.facts import User

SCRIPT = """
import json, os, socket, sys, threading
from aimscope_agent.host.live import LiveHost
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
client = socket.create_connection(("127.0.0.1", port))
served, _ = listener.accept()
def serve():
    while True:
        peer, _ = listener.accept()
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 200 OK\\r\\nServer: own\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
        peer.close()
threading.Thread(target=serve, daemon=True).start()
host = LiveHost()
own = next(process for process in host.processes().value if process.pid == os.getpid())
sockets = [s for s in host.sockets().value if s.pid == os.getpid()]
print(json.dumps({
    "platform": host.platform,
    "homes": [user.home for user in host.tree.users],
    "argv": own.argv[1:3],
    "exe": os.path.exists(own.exe),
    "started": abs(own.started - __import__("time").time()) < 600,
    "parent": own.parent,
    "env": dict(host.environment(own.pid).value).get("AIMSCOPE_TEST"),
    "gone": host.environment(2**22 - 1).value,
    "listens": [s.port == port and s.address for s in sockets if not s.remote_address],
    "connected": sorted(s.port == port or s.remote_port == port for s in sockets if s.remote_address),
    "probe": host.probe("127.0.0.1", port, "/", "*/*").value.body,
    "nobody": host.probe("127.0.0.1", 1, "/", "*/*").value,
    "socket": host.unix_http("/nonexistent/docker.sock", "/images/json"),
    "file": host.unix_http("/etc/hostname", "/images/json"),
    "registry": host.registry("HKLM/SOFTWARE")[0] if host.platform != "windows" else [],
    "mounted": "/" in host.mounts,
}))
"""


@functools.cache
def asked() -> dict[str, object]:
    home = Path(__file__).parent  # any folder will do, nothing in it is read
    paths = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (aimscope_agent, aimscope_signatures))
    environ = {**os.environ, "PYTHONPATH": paths, "AIMSCOPE_TEST": "yes", "HOME": os.fspath(home)}
    command = [sys.executable, "-c", SCRIPT, "argument"]
    apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--net", "--"]
    up = ["sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"]
    for prefix in ([*apart, *up], [*apart[:-2], "--"], []):
        if prefix and not shutil.which("unshare"):
            continue
        done = subprocess.run([*prefix, *command], env=environ, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            told: dict[str, object] = json.loads(done.stdout)
            return told
    raise AssertionError(done.stderr)


def test_a_process_of_our_own_is_told_as_it_is() -> None:
    told = asked()
    assert told["argv"] == ["-c", SCRIPT]
    assert (told["exe"], told["started"], told["env"], told["gone"]) == (True, True, "yes", [])


def test_sockets_and_their_owner() -> None:
    told = asked()
    assert told["listens"] == ["127.0.0.1"]
    assert told["connected"] == [True, True]


def test_a_server_of_our_own_answers_and_nobody_does_not() -> None:
    told = asked()
    assert (told["probe"], told["nobody"]) == ("hi", None)
    assert told["socket"] == told["file"] == [None, []]


def test_the_callers_home_is_the_one_of_the_environment() -> None:
    homes = asked()["homes"]
    assert isinstance(homes, list)
    assert Path(__file__).parent.as_posix() in homes


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_commands_are_fixed_and_found_in_system_folders_only(name: str) -> None:
    command = COMMANDS[name]
    program, *rest = command.argv
    assert "/" not in program
    assert not any("$" in word and "powershell" not in program for word in rest)
    for platform in command.platforms:
        assert all(folder.startswith(("/usr", "/bin", "/sbin", "C:/Windows")) for folder in SEARCHED[platform])


def test_service_accounts_are_no_people(tmp_path: Path) -> None:
    users = live._users("linux", {"HOME": os.fspath(tmp_path), "USER": "somebody"})
    assert os.fspath(tmp_path) in {user.home for user in users}
    assert not {"/", "", "/nonexistent", "/usr/sbin", "/var/www"} & {user.home for user in users}
    assert all(isinstance(user, User) and user.name for user in users)


@pytest.mark.parametrize(
    ("address", "plain"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("127.0.0.1", "127.0.0.1"), ("x", "x")],
)
def test_addresses_are_written_in_one_way(address: str, plain: str) -> None:
    assert live._plain(address) == plain
