"""What each container engine tells of its images and containers: answers and files in, images out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aimscope_agent.launch_options import image as plain_image

_HEX = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
_MOST = 50_000


class Image(NamedTuple):
    """One image, or one running container of it. ``running`` is ``None`` where the source does not tell."""

    image: str
    tag: str = ""
    name: str = ""
    running: bool | None = None


def reference(text: object, tag: str = "") -> Image | None:
    """An image as it is written; ``tag`` if none is. ``None`` for a digest alone and for what is no image."""
    if not isinstance(text, str) or _HEX.fullmatch(text) or "<none>" in text:
        return None
    name, at, _ = text.removeprefix("docker://").partition("@")
    written = name.rpartition("/")[2].partition(":")[2]
    image = plain_image(name)
    return Image(image, written or ("" if at else tag)) if image else None


def docker_answers(images: object, containers: object) -> Iterator[Image]:
    """``/images/json`` and ``/containers/json`` of Docker's API."""
    known = {str(each.get("Id")): _references(each.get("RepoTags")) for each in _mappings(images)}
    running: list[Image] = []
    for each in _mappings(containers):
        image = reference(each.get("Image"), "latest") or next(iter(known.get(str(each.get("ImageID")), ())), None)
        if image:
            names = each.get("Names")
            running.append(
                image._replace(name=_name(names[0] if isinstance(names, list) and names else ""), running=True)
            )
    yield from with_running((image for found in known.values() for image in found), running)


def docker_files(repositories: object, containers: Iterable[object]) -> Iterator[Image]:
    """``repositories.json`` and every container's ``config.v2.json``."""
    stored = repositories.get("Repositories") if isinstance(repositories, dict) else None
    tags = [
        tag for each in (stored.values() if isinstance(stored, dict) else ()) if isinstance(each, dict) for tag in each
    ]
    images = [image for image in _references(tags) if image.tag]
    running: list[Image] = []
    for container in _mappings(list(containers)):
        config, state = container.get("Config"), container.get("State")
        image = reference(config.get("Image"), "latest") if isinstance(config, dict) else None
        if image is None:
            continue
        if isinstance(state, dict) and state.get("Running") is True:
            running.append(image._replace(name=_name(container.get("Name")), running=True))
        else:
            images.append(image)
    yield from with_running(images, running)


def podman_images(images: object) -> Iterator[Image]:
    """``images.json``: what runs is not told."""
    yield from dict.fromkeys(
        image for each in _mappings(images) for image in _references(each.get("names")) if image.tag
    )


def containerd_lists(images: str, containers: str, tasks: str) -> Iterator[Image]:
    """Output of ``ctr``: references, a table of containers, and the identifiers of those that run."""
    alive = set(tasks.split())
    running: list[Image] = []
    for row in containers.splitlines()[1:_MOST]:
        columns = row.split()
        if len(columns) >= 2 and columns[0] in alive and (image := reference(columns[1], "latest")):
            running.append(image._replace(running=True))
    yield from with_running([image for image in _references(images.split()) if image.tag], running)


def with_running(images: Iterable[Image], running: Iterable[Image]) -> Iterator[Image]:
    """Running containers, and the images of which none runs."""
    containers = dict.fromkeys(running)
    yield from containers
    used = {(each.image, each.tag) for each in containers}
    for image in dict.fromkeys(images):
        if (image.image, image.tag) not in used:
            yield image._replace(running=False)


def _references(texts: object) -> tuple[Image, ...]:
    found = (reference(text) for text in texts[:_MOST]) if isinstance(texts, list) else ()
    return tuple(image for image in found if image)


def _mappings(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, list):
        yield from (each for each in value[:_MOST] if isinstance(each, dict))


def _name(name: object) -> str:
    return name.removeprefix("/") if isinstance(name, str) else ""
