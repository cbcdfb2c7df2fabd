"""A network of our own, and servers in it that write logs: nothing they do can reach anybody else."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

_SECONDS = 60
AI = ("chatgpt.com", "api.openai.com", "claude.ai", "huggingface.co")
OTHERS = ("www.example.org", "notchatgpt.com", "chatgpt.com.example.org")
"""Names that are no AI, some of them nearly."""

# SIOCSIFFLAGS: IFF_UP for `lo`, as `ip link set lo up` does; iproute2 need not be installed
_LOOPBACK = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x1))"
)  # fmt: skip


def needs(*tools: str) -> None:
    """Skip the test where one of the tools is not installed."""
    missing = [tool for tool in tools if _found(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def _found(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


class Space:
    """A namespace of networks with nothing but a loopback in it. Files and processes are those of this machine."""

    def __init__(self) -> None:
        needs("unshare", "nsenter")
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        script = f'{sys.executable} -c "{_LOOPBACK}" && echo ready && exec cat'
        self._init = subprocess.Popen(
            ["unshare", *user, "--net", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._init.stdout
        assert self._init.stderr
        self._started: list[subprocess.Popen[bytes]] = []
        if self._init.stdout.readline() != "ready\n":
            self._init.kill()
            pytest.skip(f"network namespaces are not permitted here: {self._init.communicate()[1].strip()}")

    def _enter(self, command: Sequence[str | Path]) -> list[str]:
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        program = _found(str(command[0])) or str(command[0])
        return ["nsenter", "--target", str(self._init.pid), *user, "--net", program, *map(str, command[1:])]

    def run(self, *command: str | Path, text: str | None = None) -> str:
        """Run a command in here to its end; what it says."""
        done = subprocess.run(
            self._enter(command), input=text, capture_output=True, text=True, timeout=_SECONDS * 4, check=False
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *command: str | Path, said: Path, environ: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start what is to run on; what it says goes into a file. Signals to the process reach it itself."""
        with said.open("ab") as file:
            process = subprocess.Popen(
                self._enter(command), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environ
            )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End everything that was started in here."""
        for process in reversed(self._started):
            end(process)
        self._init.kill()
        self._init.communicate()

    def ask(self, *questions: str, server: str = "127.0.0.1", source: str = "", tcp: bool = False) -> None:
        """Ask a resolver in here questions, each once: a name, a space, a type."""
        how = ["+tries=1", "+time=5", "+tcp" if tcp else "+notcp", *(["-b", source] if source else [])]
        with tempfile.NamedTemporaryFile("w", suffix=".questions") as batch:
            batch.write("".join(f"{question}\n" for question in questions))
            batch.flush()
            said = self.run("dig", f"@{server}", *how, "-f", batch.name)
        assert "timed out" not in said, said

    def answers(self, process: subprocess.Popen[bytes], probe: Callable[[], object], said: Path) -> None:
        """Wait until a probe fails no more."""
        until(lambda: _holds(probe, process, said), f"{process.args!r}: no answer: {_tail(said)}")


def _holds(probe: Callable[[], object], process: subprocess.Popen[bytes], said: Path) -> bool:
    assert process.poll() is None, f"{process.args!r} ended with {process.returncode}: {_tail(said)}"
    try:
        probe()
    except AssertionError:
        return False
    return True


def _tail(said: Path) -> str:
    return said.read_text(errors="replace")[-3000:] if said.exists() else ""


def until(holds: Callable[[], bool], otherwise: str, seconds: float = _SECONDS) -> None:
    """Wait until something holds; ``AssertionError`` if it never does."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, otherwise
        time.sleep(0.1)


def end(process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> int:
    """End a process we started, and wait for it."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


@contextlib.contextmanager
def private_network() -> Iterator[Space]:
    """A space that is gone afterwards."""
    space = Space()
    try:
        yield space
    finally:
        space.close()


@contextlib.contextmanager
def open_folder(owner: str = "") -> Iterator[Path]:
    """A folder that servers can reach that give up root; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="aimscope-logs-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if owner and os.geteuid() == 0:
            try:
                account = pwd.getpwnam(owner)
            except KeyError:
                pytest.skip(f"there is no user {owner}")
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder


class Server:
    """A server that runs, the log it writes, and how it is told to open that anew."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, reopen: Callable[[], object]) -> None:
        self.process = process
        self.log = log
        self.reopen = reopen


def dnsmasq(space: Space, folder: Path, *more: str) -> Server:
    """Answers for the names we know; claude.ai and huggingface.co are refused."""
    needs("dnsmasq", "dig")
    log, said = folder / "dnsmasq.log", folder / "dnsmasq.said"
    process = space.start(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"),
        *("--port=53", "--listen-address=127.0.0.1,::1", "--bind-interfaces", f"--pid-file={folder}/dnsmasq.pid"),
        *(f"--log-facility={log}", "--address=/claude.ai/", "--address=/huggingface.co/0.0.0.0"),
        *("--address=/chatgpt.com/192.0.2.8", "--address=/openai.com/192.0.2.7", "--address=/example.org/192.0.2.9"),
        *("--address=/openai.com/2001:db8::7", "--address=/notchatgpt.com/192.0.2.6", *more),
        said=said,
    )
    space.answers(process, lambda: space.ask("ready.example.org A"), said)
    return Server(process, log, lambda: process.send_signal(signal.SIGUSR2))


_UNBOUND = """server:
  interface: 127.0.0.1
  interface: ::1
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  directory: {folder}
  logfile: {log}
  pidfile: {folder}/unbound.pid
  local-zone: "." static
  local-zone: "chatgpt.com." transparent
  local-zone: "openai.com." transparent
  local-zone: "huggingface.co." always_nxdomain
  local-zone: "claude.ai." refuse
  local-data: "chatgpt.com. A 192.0.2.8"
  local-data: "api.openai.com. AAAA 2001:db8::7"
  local-data: "api.openai.com. A 192.0.2.7"
  local-data: "chatgpt.com.example.org. A 192.0.2.9"
{more}
remote-control:
  control-enable: yes
  control-interface: {folder}/unbound.socket
  control-use-cert: no
"""


def unbound(space: Space, folder: Path, *more: str) -> Server:
    """Everything is a local zone; claude.ai and huggingface.co are refused."""
    needs("unbound", "dig")
    log, said, config = folder / "unbound.log", folder / "unbound.said", folder / "unbound.conf"
    config.write_text(_UNBOUND.format(folder=folder, log=log, more="\n".join(f"  {one}: yes" for one in more)))
    process = space.start("unbound", "-d", "-c", config, said=said)
    space.answers(process, lambda: space.ask("ready.example.org A"), said)
    return Server(process, log, lambda: space.run("unbound-control", "-c", config, "log_reopen"))


_NAMED = """options {{
  directory "{folder}"; listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ ::1; }}; pid-file "named.pid";
  session-keyfile "session.key"; lock-file none; managed-keys-directory "."; dnssec-validation no;
  allow-query {{ any; }}; allow-recursion {{ any; }}; recursion yes; querylog yes; notify no;
  response-policy {{ zone "policy"; }} qname-wait-recurse no;
}};
controls {{}};
logging {{
  channel queries {{ file "named.log"; print-time yes; }};
  channel policy {{ file "policy.log"; print-time iso8601; print-category yes; print-severity yes; }};
  category queries {{ queries; }};
  category rpz {{ policy; }};
}};
zone "." {{ type primary; file "root.zone"; }};
zone "policy" {{ type primary; file "policy.zone"; }};
"""
_SOA = "$TTL 60\n@ SOA localhost. root.localhost. 1 60 60 60 60\n@ NS localhost.\n"
_ROOT = "localhost. A 127.0.0.1\nchatgpt.com. A 192.0.2.8\n*.openai.com. A 192.0.2.7\n*.example.org. A 192.0.2.9\n"


def named(space: Space, folder: Path) -> Server:
    """Its root zone is its own; a response policy refuses claude.ai and huggingface.co. That has a log of its own."""
    needs("named", "dig")
    said, config = folder / "named.said", folder / "named.conf"
    config.write_text(_NAMED.format(folder=folder))
    (folder / "root.zone").write_text(f"{_SOA}{_ROOT}")
    (folder / "policy.zone").write_text(f"{_SOA}claude.ai CNAME .\nhuggingface.co CNAME *.\n")
    process = space.start("named", "-f", "-c", config, said=said)
    space.answers(process, lambda: space.ask("ready.example.org A"), said)
    return Server(process, folder / "named.log", lambda: process.send_signal(signal.SIGHUP))


_SQUID = """http_port 127.0.0.1:3128
http_port [::1]:3128
pid_filename {folder}/squid.pid
cache deny all
coredump_dir {folder}
cache_log {folder}/cache.log
access_log stdio:{folder}/access.log squid
access_log stdio:{folder}/combined.log combined
hosts_file {folder}/hosts
dns_nameservers 127.0.0.1
visible_hostname proxy.example.org
shutdown_lifetime 0 seconds
logfile_rotate 0
buffered_logs off
pinger_enable off
netdb_filename none
auth_param basic program /bin/sh -c "while read line; do echo OK; done"
auth_param basic children 1
acl refused dstdomain .huggingface.co
acl personal dstdomain claude.ai
acl known proxy_auth REQUIRED
http_access deny refused
http_access deny personal !known
http_access allow all
{more}
"""


def squid(space: Space, folder: Path, more: str = "") -> Server:
    """A proxy; claude.ai only for those who say their name, huggingface.co for nobody. The folder is its own."""
    needs("squid", "curl", "openssl")
    config, said, name = folder / "squid.conf", folder / "squid.said", f"aimscope{os.getpid()}"
    config.write_text(_SQUID.format(folder=folder, more=more))
    (folder / "hosts").write_text(f"127.0.0.1 {' '.join((*AI, *OTHERS))}\n")
    process = space.start("squid", "-n", name, "-N", "-f", config, said=said)
    space.answers(process, lambda: space.run("curl", "-s", "-o", "/dev/null", "http://127.0.0.1:3128/"), said)
    for left in Path("/dev/shm").glob(f"{name}-*"):  # they would stay there
        left.unlink(missing_ok=True)
    return Server(process, folder / "access.log", lambda: space.run("squid", "-n", name, "-k", "rotate", "-f", config))


_ORIGIN = """import http.server, ssl, sys, threading
class Origin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")
    do_POST = do_GET
plain, secure = (http.server.ThreadingHTTPServer(("127.0.0.1", port), Origin) for port in (80, 443))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[1:3])
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
secure.serve_forever()
"""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for `localhost`, good for a day, and its key."""
    needs("openssl")
    made, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(made), "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=_SECONDS,
    )
    return made, key


def origin(space: Space, folder: Path) -> None:
    """A web server at ports 80 and 443, for all names."""
    said, program = folder / "origin.said", folder / "origin.py"
    program.write_text(_ORIGIN)
    process = space.start(sys.executable, program, *certificate(folder), said=said)
    space.answers(process, lambda: space.run("curl", "-s", "-o", "/dev/null", "http://127.0.0.1/"), said)
