"""Container images and running containers, from the engines' sockets or their state on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aimscope_agent.host.facts import Found
from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors import _containers_engines as engines
from aimscope_agent.sensors._containers_engines import Image
from aimscope_signatures.model import Observation, Status

_SOCKET = "/var/run/docker.sock"
_USERS_SOCKETS = (
    *(".docker/run/docker.sock", ".docker/desktop/docker.sock"),
    *(".colima/default/docker.sock", ".orbstack/run/docker.sock", ".rd/docker.sock"),
)
"""Of Docker Desktop (macOS, Linux), Colima, OrbStack and Rancher Desktop, below a home."""
_STORE = "/var/lib/docker"
_USERS_STORE = "~/.local/share/docker"
_PODMAN = tuple(
    f"{store}/storage/{driver}-images/images.json"
    for store in ("~/.local/share/containers", "/var/lib/containers")
    for driver in ("overlay", "vfs", "btrfs")
)
_CONTAINERD = ("", "-k8s")
"""Suffixes of the commands, by namespace."""
_ON_WINDOWS = "C:/Program Files/Docker/Docker/Docker Desktop.exe"
_MOST_CONTAINERS = 5_000
_LARGEST = 16 << 20


def _observe(look: Look) -> Iterator[Observation]:
    if look.platform == "windows":
        if look.exists(_ON_WINDOWS):
            look.gap("docker", Status.UNSUPPORTED, "Docker Desktop is not asked on Windows")
    else:
        yield from _docker(look)
    for glob in _PODMAN:
        for file in look.found(glob):
            yield from _seen(look, "podman", engines.podman_images(look.json(file, _LARGEST)), file)
    for namespace in _CONTAINERD:
        images, containers, tasks = (
            look.command(f"ctr-{what}{namespace}") for what in ("images", "containers", "tasks")
        )
        yield from _seen(look, "containerd", engines.containerd_lists(images or "", containers or "", tasks or ""))


def _docker(look: Look) -> Iterator[Observation]:
    look.exists(_SOCKET)  # one that may not even be looked at is a gap; one that is not there is none
    told = _answers(look, _SOCKET)
    yield from _seen(look, "docker", told or ())
    if told is None:
        yield from _store(look, _STORE)
    for user in look.users:
        for name in _USERS_SOCKETS:
            socket = f"{user.home}/{name}"
            if look.exists(socket):  # often the same engine under another name
                further = [image for image in _answers(look, socket) or () if image not in (told or ())]
                yield from _seen(look, "docker", further, look.at(socket))
    yield from _store(look, _USERS_STORE)


def _answers(look: Look, socket: str) -> list[Image] | None:
    images = look.unix_http(socket, "/images/json")
    if not isinstance(images, list):
        return None
    return list(engines.docker_answers(images, look.unix_http(socket, "/containers/json")))


def _store(look: Look, store: str) -> Iterator[Observation]:
    repositories = {_root(file): file for file in look.found(f"{store}/image/*/repositories.json")}
    containers: dict[str, list[Found]] = {}
    for file in look.found(f"{store}/containers/*/config.v2.json"):
        containers.setdefault(_root(file), []).append(file)
    for root in sorted(repositories.keys() | containers.keys()):
        configs = containers.get(root, [])[:_MOST_CONTAINERS]
        index = repositories.get(root)
        images = engines.docker_files(look.json(index, _LARGEST) if index else None, map(look.json, configs))
        yield from _seen(look, "docker", images, index or configs[0])


def _root(file: Found) -> str:
    return file.host_path.rsplit("/", 3)[0]


def _seen(look: Look, runtime: str, images: Iterable[Image], at: Found | str = "") -> Iterator[Observation]:
    for image in images:
        look.count("images")
        yield look.see(
            "container",
            at or runtime,
            image=image.image,
            runtime=runtime,
            tag=image.tag,
            name=image.name,
            running=image.running,
        )


SENSOR = Sensor(
    name="containers",
    doc="Container images and running containers of Docker, Podman and containerd.",
    emits=("container",),
    observe=_observe,
    wants=(
        *_PODMAN,
        *(f"{store}/image/*/repositories.json" for store in (_STORE, _USERS_STORE)),
        *(f"{store}/containers/*/config.v2.json" for store in (_STORE, _USERS_STORE)),
    ),
)
