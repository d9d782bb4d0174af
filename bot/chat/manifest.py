"""The Slack app manifest: paste it at app creation, and every scope and address is right."""

from __future__ import annotations

from typing import Any, Final

SCOPES: Final = (
    "app_mentions:read",
    "chat:write",
    "commands",
    "files:write",
    "usergroups:read",
    "users:read",
    "users:read.email",
)


def manifest(*, mode: str, url: str) -> dict[str, Any]:
    """Return the manifest for `socket` or `http` mode; `url` is where Slack reaches the bot in http mode."""
    socket = mode == "socket"
    endpoint = {} if socket else {"url": f"{url.rstrip('/')}/slack/events"}
    address = {} if socket else {"request_url": f"{url.rstrip('/')}/slack/events"}
    return {
        "display_information": {"name": "gitops", "description": "Keeps Kubernetes clusters equal to Git"},
        "features": {
            "bot_user": {"display_name": "gitops", "always_online": True},
            "slash_commands": [
                {
                    "command": "/gitops",
                    "description": "Sync, plan, pause, roll back",
                    "usage_hint": "help | status | sync [app] | plan [app] | pause <app> | rollback <app> <commit>",
                    **endpoint,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": ["app_mention"], **address},
            "interactivity": {"is_enabled": True, **address},
            "socket_mode_enabled": socket,
            "org_deploy_enabled": False,
            "token_rotation_enabled": False,
        },
    }
