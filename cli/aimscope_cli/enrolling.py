"""Enrolment from the command line. What `agent enrol` does."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import msgspec

from aimscope_agent import enrol as enrolment
from aimscope_agent import identity
from aimscope_agent.config import Collector
from aimscope_agent.enrol import EnrolError, Enrolment
from aimscope_agent.identity import IdentityError
from aimscope_agent.ledger.sent import SentLog
from aimscope_agent.service.folder import Folder, FolderError
from aimscope_agent.service.reporter import TokenError, machine, server_of, token_in
from aimscope_agent.trust import Trust, TrustError
from aimscope_agent.uplink.transport import Https, ServerError
from aimscope_cli.agents import alone, now
from aimscope_cli.output import Failure
from aimscope_signatures.version import __version__


def enrol(where: Folder, collector: Collector, token: str, *, remember: bool) -> Enrolment:
    """Enrol, and remember how the collector is reached. Raises ``Failure``."""
    with alone(where):
        try:
            done = _enrolled(where, collector, token or _token(collector))
            if remember:
                where.enrolled_at(msgspec.structs.replace(collector, token_file=""))
        except (EnrolError, IdentityError, TrustError, ServerError, TokenError, FolderError) as error:
            raise Failure(str(error)) from None
    if done.anew:
        try:
            enrolment.set_aside(where.ledger, where.identity, now())
        except OSError as error:
            raise Failure(f"{where.ledger} cannot be set aside: {error.strerror}") from None
        except IdentityError as error:
            raise Failure(str(error)) from None
    return done


def _token(collector: Collector) -> str:
    if not collector.token_file:
        raise Failure("a token is needed: --token-file FILE, or --token")
    return token_in(Path(collector.token_file))


def _enrolled(where: Folder, collector: Collector, token: str) -> Enrolment:
    line = Https(server_of(collector), monotonic=time.monotonic, version=__version__)
    try:
        return enrolment.enrol(
            line,
            where.identity,
            Trust(where.trust),
            token=token,
            collector=collector.url,
            machine=machine(),
            now=now(),
            random=secrets.token_bytes,
            sent=SentLog(where.sent),
            fingerprint=collector.root,
            again=True,
        )
    finally:
        line.close()


def known(where: Folder) -> identity.Identity | None:
    """The identity kept here. Raises ``Failure``."""
    try:
        return identity.load(where.identity)
    except IdentityError as error:
        raise Failure(str(error)) from None
