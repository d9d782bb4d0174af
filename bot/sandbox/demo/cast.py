"""Who is in the shop's workspace, and where they talk."""

from __future__ import annotations

from typing import Final

from bot.sandbox.demo.repository import Author
from bot.sandbox.slack.values import Channel, User

ANA: Final = User(id="U0ANA", name="ana", real_name="Ana Lima", email="ana@shop.example")
BOB: Final = User(id="U0BOB", name="bob", real_name="Bob Reis", email="bob@shop.example")
CHLOE: Final = User(id="U0CHLOE", name="chloe", real_name="Chloé Martin", email="chloe@shop.example")
DEV: Final = User(id="U0DEV", name="dev", real_name="Dev Patel", email="dev@shop.example")
EVE: Final = User(id="U0EVE", name="eve", real_name="Eve Okafor", email="eve@shop.example")
PEOPLE: Final = (ANA, BOB, CHLOE, DEV, EVE)

DEPLOYS: Final = Channel(id="C0DEPLOYS", name="deploys")
STAGING: Final = Channel(id="C0STAGING", name="staging")
PAYMENTS: Final = Channel(id="C0PAYMENTS", name="payments")
GENERAL: Final = Channel(id="C0GENERAL", name="general", member=False)
CHANNELS: Final = (DEPLOYS, STAGING, PAYMENTS, GENERAL)

SRE: Final = "S0SRE"
PAYMENTS_TEAM: Final = "S0PAYMENTS"
GROUPS: Final = {SRE: (ANA.id, DEV.id), PAYMENTS_TEAM: (CHLOE.id,)}

ROLES: Final = {
    ANA.id: "Site reliability: may do everything",
    BOB.id: "Developer: staging, and looks at production",
    CHLOE.id: "Payments team: everything for payments, in #payments",
    DEV.id: "Site reliability: may do everything, and approve",
    EVE.id: "Support: looks, and changes nothing",
}


def author(user: User) -> Author:
    return Author(name=user.real_name, email=user.email)
