"""Container images that Dockerfiles, compose files, CI files and Kubernetes manifests use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aimscope_agent.sensors.code.text import Named, Reader
from aimscope_signatures.normalise import image

_REFERENCE = re.compile(
    r"(?:[a-z0-9][a-z0-9.-]{0,200}(?::\d{1,5})?/)?[a-z0-9][a-z0-9._/-]{0,255}(?::[\w.-]{1,128})?(?:@sha256:[0-9a-f]{64})?"
)
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|ico|bmp|tiff?|avif|iso|img|qcow2|vmdk)$", re.IGNORECASE)
_ARGUMENT = re.compile(r"^[ \t]*ARG[ \t]+(?P<name>\w{1,100})=(?P<value>[^\s]{1,300})", re.MULTILINE | re.IGNORECASE)
_FROM = re.compile(
    r"^[ \t]*FROM[ \t]+(?:--\S{1,100}[ \t]+){0,5}(?P<image>\S{1,500})(?:[ \t]+AS[ \t]+(?P<stage>\S{1,100}))?"
    r"|^[ \t]*COPY[ \t]+(?:--(?!from)\S{1,100}[ \t]+){0,5}--from=(?P<copied>\S{1,500})",
    re.MULTILINE | re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$\{(?P<braced>\w{1,100})(?::?[-?](?P<default>[^{}\s]{0,200}))?\}|\$(?P<plain>\w{1,100})")
_YAML = re.compile(
    r"(?:^[ \t]*(?:-[ \t]+)?|[{,][ \t]*)[\"']?(?:image|container)[\"']?[ \t]*:[ \t]*[\"']?(?P<image>[^\s\"'#,]{1,500})"
    r"|^[ \t]*(?:-[ \t]+)?uses:[ \t]*[\"']?docker://(?P<uses>[^\s\"'#]{1,500})"
    r"|^(?P<indent>[ \t]*)image:[ \t]*(?:#[^\n]*)?\n"
    r"(?P=indent)[ \t]+(?:name|repository):[ \t]*[\"']?(?P<named>[^\s\"'#]{1,500})",
    re.MULTILINE,
)
_JSON = re.compile(r"\"image\"\s{0,9}:\s{0,9}\"(?P<image>[^\"\s]{1,500})\"")
_DOCKERFILE = re.compile(r"(?:.*[-_.])?(?:dockerfile|containerfile)(?:[-_.].*)?")
_YAML_WITH_IMAGES = re.compile(
    r"(?:.*/)?(?:(?:docker-)?compose[^/]*|\.gitlab-ci[^/]*|[^/]*\.gitlab-ci|bitbucket-pipelines|\.drone|\.woodpecker|"
    r"\.?azure-pipelines[^/]*|\.travis|skaffold|values[^/]*|action)\.ya?ml"
    r"|(?:.*/)?(?:\.github/workflows|\.gitea/workflows|\.forgejo/workflows|\.circleci|\.woodpecker|\.gitlab|\.buildkite|"
    r"\.tekton|\.azure-pipelines)/(?:.*/)?[^/]+\.ya?ml"
)


def reference(text: str, variables: Mapping[str, str] | None = None) -> str:
    """An image in canonical form; empty where the text is none or hangs on a variable that nothing sets."""

    def put(found: re.Match[str]) -> str:
        name = found["braced"] or found["plain"]
        return (variables or {}).get(name) or found["default"] or "$"

    written = _VARIABLE.sub(put, text).strip("\"'")
    # the tag is no part of the name: an unknown one does not matter
    name, colon, tag = written.rpartition(":")
    if colon and "$" in tag and "/" not in tag:
        written = name
    if not _REFERENCE.fullmatch(written.lower()) or _PICTURE.search(written) or written.endswith("/"):
        return ""
    return image(written)


def dockerfile(text: str) -> Iterator[Named]:
    """``FROM`` and ``COPY --from`` of a Dockerfile, but its own stages."""
    variables = {found["name"]: found["value"].strip("\"'") for found in _ARGUMENT.finditer(text)}
    stages = {"scratch"}
    for found in _FROM.finditer(text):
        group = "image" if found["image"] else "copied"
        name = reference(found[group], variables)
        if name and name not in stages and not name.isdecimal():
            yield name, found.start(group)
        if found["stage"]:
            stages.add(found["stage"].lower())


def yaml(text: str) -> Iterator[Named]:
    """``image:`` and ``uses: docker://`` by line: such files have anchors and templates that no parser reads."""
    for found in _YAML.finditer(text):
        group = next(name for name in ("image", "uses", "named") if found[name])
        if name := reference(found[group]):
            yield name, found.start(group)


def json(text: str) -> Iterator[Named]:
    """``"image"`` of a development container."""
    for found in _JSON.finditer(text):
        if name := reference(found["image"]):
            yield name, found.start("image")


def reader(path: str, text: str) -> Reader | None:
    """Who reads the images of the file at a path; ``None`` if it has none."""
    lower = path.lower()
    name = lower.rpartition("/")[2]
    if lower.endswith((".yml", ".yaml")):
        if _YAML_WITH_IMAGES.fullmatch(lower) or ("\napiVersion:" in f"\n{text}" and "\nkind:" in f"\n{text}"):
            return yaml
        return None
    if name in {"devcontainer.json", ".devcontainer.json"}:
        return json
    return dockerfile if _DOCKERFILE.fullmatch(name) else None
