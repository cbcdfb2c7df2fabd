"""What other systems of the organisation know: consent given to applications, money spent."""

from __future__ import annotations

from typing import Final

from aimscope_signatures.kinds.model import Field, Kind, declare

ORGANISATION: Final[tuple[Kind, ...]] = (
    declare(
        "oauth.grant",
        "An application that was granted access to the organisation's data by consent.",
        evidence="app client_id",
        presence="configured",
        ceiling="medium",
        app=Field("product_name", "Name the application gives itself."),
        publisher=Field("product_name", "Publisher, where the identity provider names one."),
        client_id=Field("text", "Identifier of the application at the identity provider."),
        host=Field("hostname", "Host of the application's home page or redirect address."),
        scopes=Field("texts", "Permissions that were granted."),
        verified=Field("flag", "The identity provider verified the publisher.", context=True),
    ),
    declare(
        "expense",
        "A payment to a vendor, as an expense or card statement names it; no amount is read.",
        evidence="vendor",
        presence="configured",
        ceiling="low",
        counts="event",
        vendor=Field("product_name", "Vendor or product in the statement's line, without numbers."),
        phrases=Field("product_name", "Parts of the line that may be a name.", local=True),
    ),
)
