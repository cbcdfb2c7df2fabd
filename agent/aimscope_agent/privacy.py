"""What is kept of people and devices: applied to an observation before anything else sees it."""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from aimscope_agent.config import Keep, Privacy
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.model import Observation

_KEPT = Privacy()


class Curtain:
    """Keeps, replaces or drops the names of people and devices.

    A pseudonym is the same for the same name and key: it tells two people apart and says no more. ``key`` is drawn
    for this machine and never leaves it.
    """

    def __init__(self, policy: Privacy, key: bytes = b"") -> None:
        if "pseudonym" in (policy.users, policy.devices) and not key:
            raise ValueError("pseudonyms need a key")
        self._policy = policy
        self._key = key

    def veiled(self, observation: Observation) -> Observation:
        """The observation as the policy lets it be kept."""
        if self._policy == _KEPT:
            return observation
        fields = dict(observation.fields)
        if self._policy.devices != "keep":
            kind = KINDS.get(observation.kind)
            for name in tuple(fields):  # addresses of clients, names of devices
                if kind is not None and name in kind.fields and kind.fields[name].personal:
                    del fields[name]
        return msgspec.structs.replace(
            observation,
            fields=fields,
            subject=self._shown(self._policy.users, "user", observation.subject),
            asset=self._shown(self._policy.devices, "device", observation.asset),
        )

    def _shown(self, keep: Keep, what: str, name: str) -> str:
        if keep == "keep" or not name:
            return name
        if keep == "drop":
            return ""
        digest = hmac.new(self._key, f"{what}\0{name.casefold()}".encode("utf-8", "replace"), hashlib.sha256)
        return f"{what}-{digest.hexdigest()[:12]}"
