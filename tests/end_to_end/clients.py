"""A private network: two clients, a gateway between them and the servers of the world, which all live on the gateway.

Three network namespaces that nothing leaves. Every name in the world leads to an address of the gateway, the names in
``HOSTS`` each to one of its own, by a real resolver.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end import client_servers, program

HOSTS = {
    name: number
    for number, name in enumerate(
        (
            "www.example.org",
            "api.openai.com",
            "chatgpt.com",
            "claude.ai",
            "api.anthropic.com",
            "huggingface.co",
            "gemini.google.com",
            "api.mistral.ai",
            "dns.google",
            "dns.quad9.net",
            "cloudflare-ech.com",
            "intranet.example.org",
        ),
        start=1,
    )
}
ALIAS, EDGE = "chat.deepseek.com", "edge.cdn.example"
"""A name that is another's alias, which leads to the first address."""
ONE, TWO = "10.77.1.2", "10.77.2.2"
"""The clients."""
SIX = "fd77:1::2"
INTERFACES = ("one", "two")
"""Where the gateway sees the clients."""
RESOLVER = "10.77.9.1"


def address(name: str, *, six: bool = False) -> str:
    """Where a name leads."""
    number = HOSTS.get(name, 1)
    return f"fd77:9::{number:x}" if six else f"10.77.9.{number}"


def need(*tools: str) -> None:
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")


class Space:
    """A namespace of network and mounts that lives as long as a process in it."""

    def __init__(self, parent: Space | None = None) -> None:
        user = [] if os.geteuid() == 0 or parent else ["--user", "--map-root-user"]
        self._user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        outside = parent.enter() if parent else []
        line = [*outside, "unshare", *user, "--net", "--mount", "sh", "-c", "echo ready && exec cat"]
        self._process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        assert self._process.stderr
        self._started: list[subprocess.Popen[bytes]] = []
        if self._process.stdout.readline() != "ready\n":
            self._process.kill()
            _, said = self._process.communicate()
            pytest.skip(f"needs network namespaces: {said.strip()}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def enter(self) -> list[str]:
        return ["nsenter", "--target", str(self.pid), *self._user, "--net", "--mount"]

    def run(
        self,
        *command: str | Path,
        environ: Mapping[str, str] | None = None,
        check: bool = True,
        seconds: float = 60,
        text: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run to its end; ``text`` is its standard input."""
        done = subprocess.run(
            [*self.enter(), *map(str, command)],
            env={**os.environ, **(environ or {})},
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command: str | Path, environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start what runs on, a process group of its own."""
        process = subprocess.Popen(
            [*self.enter(), *map(str, command)],
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self._process.kill()
        self._process.communicate()


class Network:
    """The gateway with its servers, and the clients."""

    def __init__(self, folder: Path) -> None:
        need("unshare", "nsenter", "mount", "ip", "dnsmasq", "tcpdump")
        self.folder = folder
        self.gateway = Space()
        self.one, self.two = Space(self.gateway), Space(self.gateway)
        try:
            self._address()
            self._serve()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for space in (self.one, self.two, self.gateway):
            space.close()

    def _address(self) -> None:
        lines = ["ip link set lo up", "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0"]
        for name in HOSTS:
            lines += [f"ip addr add {address(name)}/32 dev lo", f"ip addr add {address(name, six=True)}/128 dev lo"]
        for number, (name, space) in enumerate(zip(INTERFACES, (self.one, self.two), strict=True), start=1):
            lines += [
                f"ip link add {name} type veth peer name net0 netns {space.pid}",
                f"ip addr add 10.77.{number}.1/24 dev {name}",
                f"ip link set {name} up",
                f"ip -6 addr add fd77:{number}::1/64 dev {name} nodad",
            ]
        self.gateway.run("sh", "-ec", "\n".join(lines))
        resolver = self.folder / "resolv.conf"
        resolver.write_text(f"nameserver {RESOLVER}\noptions timeout:2 attempts:2\n")
        for number, space in enumerate((self.one, self.two), start=1):
            lines = [
                "ip link set lo up",
                "ip link set net0 up",
                f"ip addr add 10.77.{number}.2/24 dev net0",
                f"ip -6 addr add fd77:{number}::2/64 dev net0 nodad",
                f"ip route add default via 10.77.{number}.1",
                f"ip -6 route add default via fd77:{number}::1",
                f"mount --bind {resolver} /etc/resolv.conf",
            ]
            space.run("sh", "-ec", "\n".join(lines))

    def _serve(self) -> None:
        led = [f"--address=/{name}/{address(name, six=six)}" for name in HOSTS for six in (False, True)]
        everything = [f"--address=/#/{RESOLVER}", "--address=/#/fd77:9::1"]
        alias = [f"--host-record={EDGE},{RESOLVER}", f"--cname={ALIAS},{EDGE}"]
        options = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local-ttl=60", "--user=root"]
        self.gateway.start("dnsmasq", *options, *led, *alias, *everything)
        addresses = [address(name, six=six) for name in HOSTS for six in (False, True)]
        servers = self.gateway.start(sys.executable, client_servers.__file__, self.folder, *addresses)
        assert servers.stdout
        said = servers.stdout.readline()
        assert said == b"ready\n", servers.stderr.read().decode() if servers.stderr else ""
        for _ in range(100):
            if not self.one.run("getent", "hosts", "www.example.org", check=False).returncode:
                return
            time.sleep(0.05)
        raise AssertionError("the resolver does not answer")

    @contextmanager
    def captured(
        self, path: Path, *options: str, where: Space | None = None, interface: str = "one", tool: str = "tcpdump"
    ) -> Iterator[Path]:
        """A capture of what happens meanwhile, by another program than ours, complete when it is over."""
        need(tool)
        space = where or self.gateway
        quick = ("-U", "-Z", "root", "-B", "65536") if tool == "tcpdump" else ("-q", "-B", "64")
        recorder = space.start(tool, "-i", interface, *quick, *options, "-w", path)
        assert recorder.stderr
        while line := recorder.stderr.readline():
            if b"istening on" in line or b"File:" in line:
                break
        else:
            raise AssertionError(f"{tool} does not capture")
        yield path
        time.sleep(1.5)  # the kernel hands over packets by the second
        recorder.send_signal(signal.SIGINT)
        _, said = recorder.communicate(timeout=20)
        assert b"\n0 packets dropped" in said or b"/0 (" in said, said.decode()

    def aimscope(
        self, *arguments: str | Path, space: Space | None = None, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the program, in one of the namespaces: where, matters for live captures only."""
        environ = program.environment(self.folder, self.folder)
        return (space or self.gateway).run(
            program.AIMSCOPE, *arguments, environ=environ, check=False, seconds=240, text=text
        )


def curl(space: Space, *arguments: str) -> None:
    need("curl")
    space.run("curl", "--silent", "--show-error", "--insecure", "--max-time", "20", "--output", "/dev/null", *arguments)


def chromium(network: Network, space: Space, home: Path, url: str, *options: str) -> None:
    """A browser with a home of its own shows a page and everything on it, and ends."""
    need("chromium")
    home.mkdir(parents=True, exist_ok=True)
    line = [
        *("chromium", "--headless=new", "--no-sandbox", f"--user-data-dir={home}", "--disable-background-networking"),
        *("--no-first-run", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-gpu"),
        *("--disable-dev-shm-usage", "--ignore-certificate-errors"),
        f"--ignore-certificate-errors-spki-list={(network.folder / 'spki').read_text()}",
        *(*options, "--timeout=15000", "--dump-dom", url),
    ]
    browser = space.start(*line, environ={"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)})
    try:
        shown, said = browser.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(browser.pid, signal.SIGKILL)
        raise
    assert b"<title>" in shown, said.decode(errors="replace")[-2_000:]


def rules(*, six: bool = False) -> str:
    """Chromium's option for names that lead where the resolver would lead them, without asking it."""
    closed = "[{}]" if six else "{}"
    led = (f"MAP {name} {closed.format(address(name, six=six))}" for name in HOSTS)
    return f"--host-resolver-rules={', '.join(led)}, MAP * {closed.format(address('', six=six))}"


def page_of(names: Sequence[str]) -> str:
    """A page that shows something from each host."""
    return f"/{client_servers.ECHO}?" + ",".join(f"https://{name}" for name in names)
