"""E-mail: one message for an event, over TLS unless it is switched off by name."""

from __future__ import annotations

import base64
import email.policy
import email.utils
import smtplib
import ssl
from email.message import EmailMessage
from typing import Final, Literal

import msgspec

from aimscope_collector.deliver import Failure
from aimscope_collector.store.outbox import Item

_SECONDS: Final = 20
_LONGEST_SUBJECT: Final = 150
Tls = Literal["starttls", "tls", "none"]


class _Attachment(msgspec.Struct, frozen=True):
    """A file that goes with the message."""

    name: str
    type: str
    base64: str


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail server and who is written to. ``tls`` ``none`` is for a relay on this machine: no password goes there."""

    host: str
    port: int = 587
    tls: Tls = "starttls"
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = ""
    ca: str | None = None
    """A file of certificates to trust instead of the system's."""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Mail({self.host}:{self.port})"

    def send(self, item: Item, *, now: int) -> None:
        """Hand the message to the server. Raises ``Failure``."""
        if self.password and self.tls == "none":
            raise Failure("a password is not sent without TLS: set tls to starttls or tls")
        try:
            message = self.message(item, now)
            with self._connected() as server:
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(message)
        except smtplib.SMTPAuthenticationError as error:
            raise Failure(f"the mail server refused the login ({error.smtp_code})") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise Failure(f"the mail server refused every recipient ({_code(error)})") from None
        except smtplib.SMTPResponseException as error:
            raise Failure(f"the mail server answered {error.smtp_code}") from None
        except ssl.SSLError as error:
            raise Failure(f"TLS with the mail server failed: {error.reason or 'certificate not trusted'}") from None
        except smtplib.SMTPNotSupportedError:
            raise Failure("the mail server does not offer what is needed: STARTTLS or a login") from None
        except (smtplib.SMTPException, ValueError) as error:
            raise Failure(f"the message could not be sent ({type(error).__name__})") from None
        except OSError as error:
            raise Failure(f"the mail server cannot be reached: {error.strerror or type(error).__name__}") from None
        if refused:
            raise Failure(f"the mail server refused {len(refused)} of {len(self.to)} recipients")

    def message(self, item: Item, now: int) -> EmailMessage:
        """The message: its id is the event's, so that a second copy is known as one."""
        said = msgspec.json.decode(item.payload, type=dict[str, object])
        text = str(said.get("text", "")) or f"Event {item.event}"
        message = EmailMessage(policy=email.policy.SMTP)
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Subject"] = _one_line(f"[aimscope] {said.get('severity', 'info')}: {text}")[:_LONGEST_SUBJECT]
        message["Date"] = email.utils.formatdate(now, usegmt=True)
        message["Message-ID"] = f"<{item.event}@{self.sender.rpartition('@')[2].strip('> ') or 'aimscope'}>"
        message["Auto-Submitted"] = "auto-generated"
        facts = said.get("facts")
        lines = [f"{name}: {_one_line(str(fact))}" for name, fact in facts.items()] if isinstance(facts, dict) else []
        message.set_content("\n".join([_one_line(text), "", *lines, "", f"Event {item.event}"]) + "\n")
        for one in msgspec.convert(said.get("attachments", []), list[_Attachment]):
            main, _, sub = one.type.partition(";")[0].partition("/")
            message.add_attachment(
                base64.b64decode(one.base64),
                maintype=main,
                subtype=sub,
                filename=_one_line(one.name)[:_LONGEST_SUBJECT],
            )
        return message

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context(cafile=self.ca)
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=_SECONDS)
        if self.tls == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


def _code(error: smtplib.SMTPRecipientsRefused) -> str:
    return ", ".join(sorted({str(code) for code, _ in error.recipients.values()}))


def _one_line(text: str) -> str:
    """What an agent or a log said may hold anything."""
    return "".join(one if one.isprintable() else " " for one in text)
