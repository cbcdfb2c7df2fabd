"""What a parser says of bytes that are a true beginning: more of them are needed.

Every parser of this room is a function ``(data, start, end) → value | MORE | None``: the value, ``MORE`` where the
bytes are a proper beginning of it that has not arrived completely, ``None`` where they are something else. A parser
never raises, never copies more than it returns, and never returns a name from bytes it has not got completely.
"""

from __future__ import annotations

import enum
from typing import Final


class More(enum.Enum):
    """The type of ``MORE``."""

    MORE = "more"


MORE: Final = More.MORE
