"""The tables. Times are ISO 8601 UTC text: both databases order them, people read them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

VERSION: Final = 1
metadata = sa.MetaData()

about = sa.Table(
    "about",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
controls = sa.Table(
    "controls",
    metadata,
    sa.Column("app", sa.String(200), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
memories = sa.Table(
    "memories",
    metadata,
    sa.Column("app", sa.String(200), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("app", sa.String(200), primary_key=True),
    sa.Column("plan_hash", sa.String(80), primary_key=True),
    sa.Column("who", sa.String(200), primary_key=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("value", sa.Text, nullable=False),
)
pruned = sa.Table(
    "pruned",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("app", sa.String(200), nullable=False, index=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("value", sa.Text, nullable=False),
)
folders = sa.Table(
    "folders",
    metadata,
    sa.Column("app_set", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),  # one a line
)
followed = sa.Table(
    "followed",
    metadata,
    sa.Column("app", sa.String(200), primary_key=True),  # "" for what concerns a registry
    sa.Column("image", sa.String(400), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
mutes = sa.Table(
    "mutes",
    metadata,
    sa.Column("app", sa.String(200), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
history = sa.Table(
    "history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("app", sa.String(200), nullable=False, index=True),
    sa.Column("operation", sa.String(64), nullable=False),
    sa.Column("revision", sa.String(64), nullable=False),
    sa.Column("converged", sa.Boolean, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
)
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("app", sa.String(200), nullable=False, index=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),  # SHA-256 of the chain before and the value
)
requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("app", sa.String(200), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("expects", sa.String(64), nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sqlite_autoincrement=True,  # an id is never used twice: the loop remembers the ones it has seen
)
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("parcel_id", sa.String(200), nullable=False),
    sa.Column("sink", sa.String(16), nullable=False),
    sa.Column("lane", sa.String(400), nullable=False),
    sa.Column("collapse", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, delivered, lost
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("not_before", sa.String(40), nullable=False),
    sa.Column("created_at", sa.String(40), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False, server_default="1"),
    sa.Column(
        "rollout", sa.String(64), nullable=False, server_default=""
    ),  # root message that may tell it of many apps
    sa.UniqueConstraint("sink", "parcel_id"),
    sa.Index("outbox_turns", "sink", "state", "lane", "turn", "id", "not_before"),
    sqlite_autoincrement=True,
)
rollouts = sa.Table(  # the apps that a root message tells of instead of one of their own
    "rollouts",
    metadata,
    sa.Column("root", sa.String(64), primary_key=True),
    sa.Column("app", sa.String(200), primary_key=True),
    sa.Column("operation", sa.String(200), nullable=False, index=True),  # whose root message the app's own would be
    sa.Column("began_at", sa.String(40), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),  # of the last news
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("rollouts_last", "root", "at"),
)
messages = sa.Table(
    "messages",
    metadata,
    sa.Column("operation", sa.String(64), primary_key=True),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("ts", sa.String(64), nullable=False),
)
subjects = sa.Table(  # the app that a root message and its thread are about, "" for many
    "subjects",
    metadata,
    sa.Column("channel", sa.String(64), primary_key=True),
    sa.Column("ts", sa.String(64), primary_key=True),
    sa.Column("app", sa.String(200), nullable=False),
)
taken = sa.Table(  # root messages whose place another one has taken: their threads go on, they are edited no more
    "taken",
    metadata,
    sa.Column("operation", sa.String(64), primary_key=True),
)
roots = sa.Table(  # what the message about a present trouble says, to be said again with one thing changed
    "roots",
    metadata,
    sa.Column("operation", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
people = sa.Table(  # who gave orders in Slack, by the name that Slack told
    "people",
    metadata,
    sa.Column("who", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(320), nullable=False),
)
seen = sa.Table(
    "seen",
    metadata,
    sa.Column("name", sa.String(300), primary_key=True),
    sa.Column("at", sa.String(40), nullable=False),
)
verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("app", sa.String(200), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
