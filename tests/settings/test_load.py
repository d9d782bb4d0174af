"""The configuration: ten lines are enough, and whatever is wrong is said at once with its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import ConfigError
from bot.model.app import Rollback
from bot.model.image import Write
from bot.settings import Configuration, load, schema
from bot.source.spec import Signed

GOOD = """\
clusters:
  - {name: prod, kubeconfig: kube.yaml}
repos:
  - {name: fleet, url: ./fleet.git}
apps:
  - name: payments
    repo: fleet
    path: apps/payments
    cluster: prod
    namespace: payments
"""


def read(tmp_path: Path, text: str, **environment: str) -> Configuration:
    file = tmp_path / "gitops-bot.yaml"
    file.write_text(text)
    return load(file, environment)


def problems(tmp_path: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text, **environment)
    return [str(one).removeprefix(f"{tmp_path}/") for one in refused.value.problems]


def test_ten_lines_are_a_configuration(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    (app,) = found.apps
    assert (app.key, str(app.ref), app.interval) == ("prod/payments", "main", timedelta(seconds=60))
    assert found.repos[0].local_path == tmp_path / "fleet.git"
    assert found.state_url == f"sqlite:///{tmp_path}/gitops-bot.db"


def test_followed_images_are_read_with_their_registries(tmp_path: Path) -> None:
    images = """\
    images:
      - {image: quay.io/acme/shop, follow: 1.x}
      - {image: nginx, tags: "main-([0-9]+)", write: pull-request}
registries:
  - {name: hub, host: index.docker.io, username: robot, password_env: HUB_TOKEN}
"""
    found = read(tmp_path, GOOD + images, HUB_TOKEN="t")
    assert [(str(one.image), one.range, one.write) for one in found.apps[0].images] == [
        ("quay.io/acme/shop", "1.x", Write.COMMIT),
        ("docker.io/library/nginx", "", Write.PULL_REQUEST),
    ]
    assert [(one.host, one.interval) for one in found.settings.registries] == [("docker.io", timedelta(minutes=5))]


def test_images_of_an_app_set_have_its_placeholders(tmp_path: Path) -> None:
    text = GOOD + (
        "app_sets:\n  - {repo: fleet, paths: apps/*, clusters: [prod], "
        "images: [{image: 'quay.io/acme/{basename}', follow: 1.x}, {image: '{basename}', follow: 1.x}]}\n"
    )
    (app,) = read(tmp_path, text).app_sets[0].members(["apps/shop"]).apps
    assert [str(one.image) for one in app.images] == ["quay.io/acme/shop", "docker.io/library/shop"]


def test_image_that_cannot_be_followed_is_said_with_its_line(tmp_path: Path) -> None:
    text = (
        GOOD.replace("path: apps/payments", "path: apps/payments\n    ref: {tag: v1}")
        + """\
    images:
      - {image: "quay.io/acme/shop:1.4.1", follow: 1.x}
      - {image: quay.io/acme/a}
      - {image: quay.io/acme/b, follow: newest}
      - {image: quay.io/acme/c, tags: "(a)(b)"}
      - {image: quay.io/acme/d, tags: "(?:[a-z]+-?)+([0-9]+)"}
registries:
  - {name: quay, host: "https://quay.io"}
  - {name: quay, host: quay.io, interval: 10s, password_env: QUAY_TOKEN}
"""
    )
    no_branch = "a tag is written to a branch, and the app follows none"
    assert problems(tmp_path, text) == [
        "gitops-bot.yaml:13: apps[0].images[0].image: expected the name of an image without a tag, such as"
        " quay.io/acme/shop",
        f"gitops-bot.yaml:13: apps[0].images[0]: {no_branch}",
        f"gitops-bot.yaml:14: apps[0].images[1]: {no_branch}",
        "gitops-bot.yaml:14: apps[0].images[1]: say which tags are newer: follow, a range of versions, or tags, with a"
        " number in a group",
        f"gitops-bot.yaml:15: apps[0].images[2]: {no_branch}",
        "gitops-bot.yaml:15: apps[0].images[2]: follow: newest is no range of versions: write one such as 1.x, or"
        " >=1.2 <2",
        f"gitops-bot.yaml:16: apps[0].images[3]: {no_branch}",
        "gitops-bot.yaml:16: apps[0].images[3]: tags has 2 groups: put what orders the tags into one, such as"
        " main-([0-9]+)",
        f"gitops-bot.yaml:17: apps[0].images[4]: {no_branch}",
        "gitops-bot.yaml:17: apps[0].images[4]: tags repeats a group more than 3 times, and it may take for ever"
        " at a long tag: repeat characters, such as [0-9a-z.-]+",
        "gitops-bot.yaml:19: registries[0].host: expected the host of a registry alone, such as quay.io or"
        " registry.example.com:5000",
        "gitops-bot.yaml:20: registries[1].interval: registries count requests: ask once in 1m or more, and let a"
        " webhook say what is new",
        "gitops-bot.yaml:20: registries[1].name: quay is there twice",
        "gitops-bot.yaml:20: registries[1].password_env: the environment variable QUAY_TOKEN"
        " (or QUAY_TOKEN_FILE) is not set",
    ]


def test_image_that_an_app_follows_twice_is_refused(tmp_path: Path) -> None:
    """Both wrote the same line: two commits of which the first was never meant."""
    text = GOOD + "    images: [{image: quay.io/acme/shop, follow: 1.x}, {image: quay.io/acme/shop, follow: 2.x}]\n"
    (problem,) = problems(tmp_path, text)
    assert problem.endswith("apps[0].images[1]: quay.io/acme/shop is there twice: its tag is one or the other")


def test_commits_of_the_bot_need_a_repository_that_wants_no_signatures(tmp_path: Path) -> None:
    text = GOOD.replace("url: ./fleet.git", "url: ./fleet.git, verify: {keyring: keys}")
    image = "    images: [{image: quay.io/acme/shop, follow: 1.x, write: %s}]\n"
    (problem,) = problems(tmp_path, text + image % "commit")
    assert problem.endswith("the bot signs none: use write: pull-request")
    assert read(tmp_path, text + image % "pull-request").apps[0].images


def test_every_problem_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    text = GOOD.replace("cluster: prod\n", "cluster: prd\n").replace("repo: fleet", "repoo: fleet")
    text += "    interval: soon\n    mode: maybe\n    helm: {repo: 'ftp://b'}\nslack: {mode: socket, colour: red}\n"
    assert problems(tmp_path, text) == [
        "gitops-bot.yaml:6: apps[0].repo is missing",
        "gitops-bot.yaml:7: apps[0].repoo is no known key: did you mean repo?",
        "gitops-bot.yaml:9: apps[0].cluster: there is no cluster prd: did you mean prod?",
        "gitops-bot.yaml:11: apps[0].interval: expected a duration such as 30s, 5m, 2h or 1d",
        "gitops-bot.yaml:12: apps[0].mode: expected 'auto' or 'approve'",
        "gitops-bot.yaml:13: apps[0].helm: repo must be oci://…, https://… or s3://…",
        "gitops-bot.yaml:14: slack.colour is no known key",
        "gitops-bot.yaml:14: slack.mode: the environment variable SLACK_APP_TOKEN (or SLACK_APP_TOKEN_FILE) is not set",
        "gitops-bot.yaml:14: slack.mode: the environment variable SLACK_BOT_TOKEN (or SLACK_BOT_TOKEN_FILE) is not set",
    ]


def test_what_sections_say_of_each_other_is_said_beside_what_is_wrong_in_them(tmp_path: Path) -> None:
    """A typo anywhere used to hide a missing channel, host of alerts or known hosts, until it was mended."""
    text = """\
clusters:
  - {name: prod, colour: red}
repos:
  - {name: fleet, url: 'ssh://git@example.com/fleet.git', web: x}
  - {name: signed, url: ./signed.git, verify: {keyring: keys, mode: tag}, ref: {semver: 1.x}}
apps:
  - {name: Payments, repo: fleet, cluster: prod}
  - {name: shop, repo: signed, cluster: prod, interval: soon, branch: main, ref: {tag: v1}}
  - {name: ads, repo: signed, cluster: prod, ignore: [7, {kind: Deployment, pointers: [spec]}], branch: main}
slack: {mode: socket, colour: red}
oncall: {provider: webhook, page_after: {failures: 0}}
writebacks:
  - {type: fax}
  - {type: commit-status, repo: fleet, host: gitea, api_url: 'http://gitea.example.com', token_env: T}
xyzzy: 1
"""
    environment = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "T": "t"}
    assert [one.removeprefix("gitops-bot.yaml:") for one in problems(tmp_path, text, **environment)] == [
        "2: clusters[0].colour is no known key",
        "4: repos[0].web is no known key: did you mean web_url?",
        "4: repository fleet: ssh needs credentials.known_hosts_file: write what ssh-keyscan says of the host into it "
        "and compare that with the fingerprint the host publishes",
        "7: apps[0].name: expected text like ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "8: apps[1].interval: expected a duration such as 30s, 5m, 2h or 1d",
        "8: apps[1]: branch and ref exclude each other: a branch is also ref: {branch: NAME}",
        "9: apps[2].ignore[0]: expected keys with values",
        "9: apps[2].ignore[1].pointers[0]: expected text like ^/",
        "9: apps[2]: it follows a branch, and signed lets only signed tags through",
        "10: slack.colour is no known key",
        "10: slack.default_channel is missing, and ads has no channel of its own",
        "11: oncall.host is missing: the URL to send alerts to",
        "11: oncall.page_after.failures: expected 1 or more",
        "13: writebacks[0]: expected type to be one of 'commit-status', 'jira', 'webhook', 'lambda', 'spinnaker'",
        "14: writebacks[1].api_url: a token is not sent over plain http",
        "15: xyzzy is no known key",
    ]


def test_what_is_wrong_by_itself_is_not_said_to_be_missing(tmp_path: Path) -> None:
    text = GOOD.replace("cluster: prod", "cluster: [prod]").replace("prod, kube", "Prod, kube")
    text += "slack: {mode: socket, default_channel: 5}\noncall: {provider: webhook, host: 5}\n"
    assert problems(tmp_path, text, SLACK_BOT_TOKEN="xoxb-1", SLACK_APP_TOKEN="xapp-1") == [
        "gitops-bot.yaml:2: clusters[0].name: expected text like ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "gitops-bot.yaml:9: apps[0].cluster: expected text (put a number, and true, in quotes)",
        "gitops-bot.yaml:11: slack.default_channel: expected text (put a number, and true, in quotes)",
        "gitops-bot.yaml:12: oncall.host: expected text (put a number, and true, in quotes)",
    ]


CREDENTIALS = "credentials: {username: a, password_env: P}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("url: ./fleet.git", f"url: 'http://git.example.com/f.git', {CREDENTIALS}"),
        ("cluster: prod\n", f"cluster: prod\n    helm: {{chart: c, repo: 'http://c.example.com', {CREDENTIALS}}}\n"),
    ],
    ids=["git", "charts"],
)
def test_credentials_never_go_over_plain_http(tmp_path: Path, before: str, after: str) -> None:
    (found,) = problems(tmp_path, GOOD.replace(before, after), P="canary")
    assert "credentials would travel in clear over http://: use https://" in found
    assert "canary" not in found


def test_bucket_has_no_credentials_in_the_file(tmp_path: Path) -> None:
    helm = "helm: {chart: c, repo: 's3://b/charts', credentials: {username: a}}"
    (found,) = problems(tmp_path, GOOD.replace("cluster: prod\n", f"cluster: prod\n    {helm}\n"))
    assert found.endswith("helm: a bucket is read with the credentials of the environment (AWS_…) or of the pod")


def test_types_are_named_as_yaml_has_them(tmp_path: Path) -> None:
    """Wrong types used to be told in Python's words: "valid tuple", "dictionary or instance of Ignore"."""
    text = GOOD.replace("clusters:", "clusters: {name: prod}\nspare:")
    text += "    env: 3\n    prune: 'yes'\n    approvals: '2'\n    ignore: [7]\n    depends_on: x\n    max_delete: 4\n"
    text += "retry: {factor: 0}\nwritebacks: [{type: fax}]\npermissions: [{verbs: [], users: []}]\n"
    found = [one.partition(": ")[2] for one in problems(tmp_path, text)]
    assert {one for one in found if "expected" in one} == {
        "clusters: expected a list",
        "apps[0].env: expected text (put a number, and true, in quotes)",
        "apps[0].prune: expected true or false, without quotes",
        "apps[0].approvals: expected a whole number, without quotes",
        "apps[0].ignore[0]: expected keys with values",
        "apps[0].depends_on: expected a list",
        "apps[0].max_delete: expected keys with values",
        "retry.factor: expected 1.0 or more",
        "writebacks[0]: expected type to be one of 'commit-status', 'jira', 'webhook', 'lambda', 'spinnaker'",
        "permissions[0].verbs: expected at least 1 entry",
    }
    assert not [one for one in found if "tuple" in one or "instance" in one]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("gitops.db", "is no SQLAlchemy URL"),
        ("mysql://u:canary@h/d", "mysql://u:***@h/d is neither sqlite:/// nor postgresql+psycopg://"),
        ("postgresql+nothing://u:canary@h/d", "names no driver"),
        ("postgresql+psycopg2://u:canary@h/d", "pip install 'gitops-bot[postgres]'"),
    ],
)
def test_address_of_the_state_store_is_checked_with_the_rest(tmp_path: Path, url: str, what: str) -> None:
    """It was said when the store was opened, with the exit status of another trouble."""
    (said,) = problems(tmp_path, f'{GOOD}state: "{url}"\n')
    assert said.startswith("gitops-bot.yaml:11: state: ")
    assert what in said
    (said,) = problems(tmp_path, GOOD, DATABASE_URL=url)
    assert said.startswith("DATABASE_URL: state: ")
    assert "canary" not in said


def test_missing_secrets_are_named(tmp_path: Path) -> None:
    text = GOOD + "slack: {mode: socket, default_channel: C1}\noncall: {provider: opsgenie}\n"
    assert problems(tmp_path, text) == [
        "gitops-bot.yaml:11: slack.mode: the environment variable SLACK_APP_TOKEN (or SLACK_APP_TOKEN_FILE) is not set",
        "gitops-bot.yaml:11: slack.mode: the environment variable SLACK_BOT_TOKEN (or SLACK_BOT_TOKEN_FILE) is not set",
        "gitops-bot.yaml:12: oncall.provider: the environment variable OPSGENIE_API_KEY (or OPSGENIE_API_KEY_FILE) "
        "is not set",
    ]


def test_what_only_looks_needs_no_secret_of_whom_the_bot_speaks_to(tmp_path: Path) -> None:
    """A pipeline that plans a pull request had to have the bot's tokens of Slack."""
    file = tmp_path / "gitops-bot.yaml"
    file.write_text(GOOD + "slack: {mode: socket, default_channel: C1}\noncall: {provider: opsgenie}\n")
    assert load(file, {}, speaks=False).settings.slack.mode == "socket"
    file.write_text(
        GOOD.replace("url: ./fleet.git", "url: 'https://x.example/f.git', credentials: {password_env: GIT}")
    )
    with pytest.raises(ConfigError, match="the environment variable GIT"):
        load(file, {}, speaks=False)


def test_secret_may_come_from_a_file_and_never_shows(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xoxb-canary\n")
    text = GOOD + "slack: {mode: socket, default_channel: C1}\n"
    found = read(tmp_path, text, SLACK_BOT_TOKEN_FILE=str(tmp_path / "token"), SLACK_APP_TOKEN="xapp-canary")
    assert found.secret("SLACK_BOT_TOKEN") == "xoxb-canary"
    assert "canary" not in repr(found)


def test_variables_are_expanded_or_missed(tmp_path: Path) -> None:
    text = GOOD.replace("./fleet.git", "'${BASE}/fleet.git'")
    assert read(tmp_path, text, BASE="/srv").repos[0].url == "/srv/fleet.git"
    assert problems(tmp_path, text) == ["gitops-bot.yaml:4: the environment variable BASE is not set"]


def test_dependency_in_a_circle_is_refused(tmp_path: Path) -> None:
    text = GOOD + "    depends_on: [shop]\n  - {name: shop, repo: fleet, cluster: prod, depends_on: [payments]}\n"
    found = problems(tmp_path, text)
    assert "gitops-bot.yaml:11: apps[0].depends_on: prod/payments depends on itself in a circle" in found


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "a: 1\na: 2", "apps: &a [*a]", "\t"])
def test_text_that_is_no_configuration_is_refused_with_a_line(text: str, tmp_path: Path) -> None:
    assert all(one.startswith("gitops-bot.yaml:1") or ":2" in one for one in problems(tmp_path, text))


def test_signed_tags_want_a_ref_that_is_a_tag(tmp_path: Path) -> None:
    verify = "verify: {keyring: keys, mode: tag}"
    text = GOOD.replace("url: ./fleet.git", f"url: ./fleet.git, {verify}")
    assert problems(tmp_path, text) == [
        "gitops-bot.yaml:4: repos[0]: a verify.mode with tag needs ref: {tag: …} or {semver: …}"
    ]
    text = text.replace(verify, f"{verify}, ref: {{semver: 1.x}}")
    assert read(tmp_path, text).repos[0].signed is Signed.TAG
    assert problems(tmp_path, text + "    branch: main\n") == [
        "gitops-bot.yaml:11: apps[0]: it follows a branch, and fleet lets only signed tags through"
    ]


def test_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name it with --config"):
        load(tmp_path / "nowhere.yaml", {})


def test_schema_describes_every_section() -> None:
    assert {"clusters", "repos", "apps", "slack", "oncall"} <= set(schema()["properties"])


def test_revert_needs_a_branch_that_the_bot_may_move(tmp_path: Path) -> None:
    reverts = GOOD + "    rollback: revert\n"
    assert read(tmp_path, reverts).apps[0].rollback is Rollback.REVERT
    tag = reverts.replace("./fleet.git}", "./fleet.git, ref: {tag: v1}}")
    assert problems(tmp_path, tag) == [
        "gitops-bot.yaml:11: apps[0].rollback: revert needs a branch to push to; a tag or commit is none"
    ]
    assert read(tmp_path, tag.replace("rollback:", "branch: main\n    rollback:")).apps[0].rollback is Rollback.REVERT
    signed = reverts.replace("./fleet.git}", "./fleet.git, verify: {keyring: /keys}}")
    (wrong,) = problems(tmp_path, signed)
    assert "apps[0].rollback: the repository wants signed commits, and the bot signs none: use pin" in wrong


def test_secret_that_the_file_names_may_be_in_a_file(tmp_path: Path) -> None:
    """Only those of further on-call services were read; the message about a missing one promised it of all."""
    (tmp_path / "token").write_text("from-a-file\n")
    registry = "registries: [{name: quay, host: quay.io, username: bot, password_env: QUAY_TOKEN}]\n"
    found = read(tmp_path, GOOD + registry, QUAY_TOKEN_FILE=str(tmp_path / "token"))
    assert found.secret("QUAY_TOKEN") == "from-a-file"
