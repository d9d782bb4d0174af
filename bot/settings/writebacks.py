"""Who else hears what happens to an app: Git hosts, issue trackers, webhooks, functions, pipelines."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from bot.settings.values import Section

_FUNCTION: Final = (
    r"^(arn:aws[a-z-]*:lambda:(?P<region>[a-z]{2}(-[a-z]+)+-[0-9]+):[0-9]{12}:function:|([0-9]{12}:)?(function:)?)"
    r"[A-Za-z0-9_-]{1,64}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?$"
)


def _function(value: str) -> str:
    if re.fullmatch(_FUNCTION, value) is None:
        raise ValueError("expected the name of a function, `name:alias`, or its ARN")
    return value


def in_arn(function: str) -> str:
    """Return the region that an ARN names, "" for a name."""
    found = re.fullmatch(_FUNCTION, function)
    return (found["region"] or "") if found else ""


_Event = Literal["diff", "converged", "failed", "rolled-back"]
_Events = Annotated[tuple[_Event, ...], Field(min_length=1, strict=False)]


class CommitStatus(Section):
    """The state of a sync at its commit, and the pull requests of `keep` and `ignore`.

    A failure that is not the commit's fault (an outage, refused credentials) leaves the state as it is.
    """

    type: Literal["commit-status"]
    repo: str
    """Name of an entry of `repos`."""
    host: Literal["github", "gitlab", "bitbucket", "bitbucket-dc", "gitea"]
    api_url: str = ""
    """The host's public API where none is given."""
    token_env: str
    """Name of the environment variable that holds the token."""


class IssueTracker(Section):
    """A link on each Jira issue that a change's commits name: whether it is live, where, since when.

    A link is written again where it changes, so that an issue has one for each app and cluster.
    """

    type: Literal["jira"]
    url: str
    """The site: `https://acme.atlassian.net`, or a Data Center's."""
    projects: Annotated[
        tuple[Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]+$")], ...], Field(min_length=1, strict=False)
    ]
    """Keys of the projects whose issues are meant: `SHOP` finds `SHOP-12` in a commit's message."""
    envs: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Environments whose apps tell it. Empty: every environment."""
    events: Annotated[tuple[Literal["converged", "failed", "rolled-back"], ...], Field(min_length=1, strict=False)] = (
        "converged",
        "failed",
        "rolled-back",
    )
    transition: str = ""
    """Step of the workflow, or status it leads to, that an issue makes when its commits are live."""
    token_env: str
    """Environment variable with `e-mail:token` of an account at Atlassian's cloud, or a Data Center's access token."""


class Hook(Section):
    """A CloudEvents 1.0 message for each event, signed with HMAC-SHA256."""

    type: Literal["webhook"]
    url: str
    events: _Events = ("diff", "converged", "failed", "rolled-back")
    secret_env: str
    """Name of the environment variable that holds the secret."""


class Function(Section):
    """An AWS Lambda function that is invoked, asynchronously, with the CloudEvent that a webhook gets.

    Credentials are found where AWS's own tools look: environment, profile, IRSA, EKS Pod Identity, instance. They need
    `lambda:InvokeFunction` on the function. An event may arrive twice, and then with the same `id`: a function that
    must not act twice drops the second by it. Needs `pip install 'gitops-bot[aws]'`.
    """

    type: Literal["lambda"]
    function: Annotated[
        str,
        AfterValidator(_function),
        WithJsonSchema({"type": "string", "pattern": _FUNCTION.replace("?P<region>", "")}),
    ]
    """Its name, `name:alias`, or ARN."""
    region: Annotated[str, Field(pattern=r"^([a-z]{2}(-[a-z]+)+-[0-9]+)?$")] = ""
    """Such as `eu-west-1`. An ARN says it already."""
    envs: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Environments whose apps tell it. Empty: every environment."""
    events: _Events = ("diff", "converged", "failed", "rolled-back")
    endpoint_url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """Where Lambda's API is, if not at AWS: LocalStack, or an endpoint of a private network."""

    @property
    def place(self) -> str:
        """The region of the function, "" when nobody says it."""
        return self.region or in_arn(self.function)


class Pipelines(Section):
    """Pipelines of Spinnaker whose webhook trigger has this `source`, started through Gate.

    Payload constraints can be about `app`, `cluster`, `env`, `event`, `commit` and what else is in a webhook's `data`.
    They are regular expressions that are found anywhere in a value: `^shop$` means shop alone. The first five are
    parameters too, and the commit is an artifact of type `git/repo`. An event that is sent again after a lost answer
    starts its pipelines again: `id` in the payload is the same then.
    """

    type: Literal["spinnaker"]
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    """Gate's address."""
    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "gitops-bot"
    """The source in the trigger of a pipeline."""
    envs: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Environments whose apps tell it. Empty: every environment."""
    events: _Events = ("converged",)
    """A pipeline without a constraint on `event` runs for each of them."""
    secret_env: str = ""
    """Variable with the value of `secret` in the payload, for a constraint. Who may see the pipeline's runs sees it."""
    token_env: str = ""
    """Variable with a token, or `user:password`, where Gate or what stands before it wants one."""
    token_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")] = ""
    """Header that has the token and nothing else. Empty: `Authorization`, as `Bearer` or `Basic`."""


Writeback = Annotated[CommitStatus | IssueTracker | Hook | Function | Pipelines, Field(discriminator="type")]
