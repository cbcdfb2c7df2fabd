"""What is observed in source code."""

from __future__ import annotations

from typing import Final

from aimscope_signatures.kinds.model import Field, Kind, declare

CODE: Final[tuple[Kind, ...]] = (
    declare(
        "code.package",
        "An AI library that a project declares or imports, installed or not.",
        evidence="package",
        presence="mentioned",
        package=Field("package", "As for `package`; imports are `pymod:…`, `npm:…`, `go:…`."),
        how=Field("text", "`manifest`, `lock` or `import`."),
        path=Field("path", "File, relative to the scanned folder."),
        line=Field("integer", "Line, from 1."),
    ),
    declare(
        "code.endpoint",
        "A host name written in a project's source.",
        evidence="host",
        presence="mentioned",
        host=Field("hostname", "Host name."),
        url_path=Field("url_path", "Path of the URL.", local=True),
        path=Field("path", "File, relative to the scanned folder."),
        line=Field("integer", "Line, from 1."),
    ),
    declare(
        "code.model",
        "A model id written in a project's source.",
        evidence="model",
        presence="mentioned",
        ceiling="medium",
        model=Field("model_id", "Model id."),
        path=Field("path", "File, relative to the scanned folder."),
        line=Field("integer", "Line, from 1."),
    ),
    declare(
        "code.image",
        "A container image that a Dockerfile, compose or CI file uses.",
        evidence="image",
        presence="mentioned",
        image=Field("image", "Image without default registry, tag and digest."),
        path=Field("path", "File, relative to the scanned folder."),
        line=Field("integer", "Line, from 1."),
    ),
)
