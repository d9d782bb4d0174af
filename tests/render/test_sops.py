"""Files encrypted by the real sops, for age and PGP keys, in each of the three ways of rendering."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.render import Renderer
from tests.render.worlds import origins, problems, render, renderer
from tests.tools.building import program

pytestmark = pytest.mark.tools

SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\nstringData:\n  password: hunter2\n"
Encrypt = Callable[..., bytes]


class AgeKey:
    """An age identity in a file, and its public half."""

    def __init__(self, file: Path) -> None:
        subprocess.run([program("age-keygen"), "-o", str(file)], check=True, capture_output=True, timeout=60)
        self.file = file
        self.public = file.read_text().split("public key: ")[1].split()[0]


@pytest.fixture
def key(tmp_path: Path) -> AgeKey:
    return AgeKey(tmp_path / "age.txt")


@pytest.fixture
def with_key(tmp_path: Path, key: AgeKey) -> Renderer:
    return renderer(tmp_path, environment={"SOPS_AGE_KEY_FILE": str(key.file)})


def encrypted(text: str, *recipients: str, kind: str = "yaml", env: dict[str, str] | None = None) -> bytes:
    """Return what sops makes of a text; only the values of `data` and `stringData` of YAML are encrypted."""
    only = ["--encrypted-regex", "^(data|stringData)$"] if kind == "yaml" else []
    command = [
        program("sops"),
        "--disable-version-check",
        "encrypt",
        *only,
        "--input-type",
        kind,
        "--output-type",
        kind,
    ]
    names = ["--filename-override", "x.yaml"]
    done = subprocess.run(
        [*command, *recipients, *names],
        input=text.encode(),
        env={**os.environ, **(env or {})},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def age(*keys: AgeKey) -> tuple[str, str]:
    return "--age", ",".join(key.public for key in keys)


def test_encrypted_secrets_are_applied_in_clear_at_their_own_lines(with_key: Renderer, key: AgeKey) -> None:
    data = encrypted(f"{SECRET % 'one'}---\n{SECRET % 'two'}", *age(key))
    assert b"hunter2" not in data
    second = data.decode().splitlines().index("---") + 2
    state = render({"app/x.yaml": data}, with_=with_key)
    assert [one.body["stringData"] for one in state.manifests] == [{"password": "hunter2"}] * 2
    assert all("sops" not in one.body for one in state.manifests)
    assert origins(state) == {"Secret one": "app/x.yaml:1", "Secret two": f"app/x.yaml:{second}"}


def test_kustomize_gets_what_its_generator_names_in_clear(with_key: Renderer, key: AgeKey) -> None:
    files: dict[str, str | bytes] = {
        "app/kustomization.yaml": "resources: [s.yaml]\nsecretGenerator:\n- {name: env, envs: [x.env]}\n"
        "- {name: all, files: [token]}\n",
        "app/x.env": encrypted("PASSWORD=hunter2\n", *age(key), kind="dotenv"),
        "app/token": encrypted("hunter2", *age(key), kind="binary"),
        "app/s.yaml": encrypted(SECRET % "plain", *age(key)),
        "app/unused.yaml": encrypted(SECRET % "unused", *age(AgeKey(key.file.with_name("other.txt")))),
    }
    state = render(files, with_=with_key)
    values = {one.id.name.split("-")[0]: one.body.get("data") or one.body.get("stringData") for one in state.manifests}
    assert values == {
        "env": {"PASSWORD": "aHVudGVyMg=="},
        "all": {"token": "aHVudGVyMg=="},
        "plain": {"password": "hunter2"},
    }


def test_chart_gets_encrypted_values_in_clear(with_key: Renderer, key: AgeKey) -> None:
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: {{ .Values.data.password }}}\n"
    files: dict[str, str | bytes] = {
        "app/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
        "app/values.yaml": encrypted("data: {password: hunter2}\n", *age(key)),
        "app/templates/a.yaml": template,
    }
    (manifest,) = render(files, with_=with_key).manifests
    assert manifest.body["data"] == {"x": "hunter2"}


def test_pgp_key_of_the_environment_decrypts_and_its_agent_is_gone(tmp_path: Path, gpg_home: Path) -> None:
    env = {"GNUPGHOME": str(gpg_home)}
    listing = gpg(gpg_home, "--list-keys", "--with-colons").decode()
    fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
    data = encrypted(SECRET % "one", "--pgp", fingerprint, env=env)
    exported = tmp_path / "private.asc"
    exported.write_bytes(gpg(gpg_home, "--batch", "--armor", "--export-secret-keys"))
    tool = renderer(tmp_path, environment={"SOPS_PGP_KEY_FILE": str(exported)})
    before = agents()
    (manifest,) = render({"app/x.yaml": data}, with_=tool).manifests
    assert manifest.body["stringData"] == {"password": "hunter2"}
    assert agents() == before
    (problem,) = problems({"app/x.yaml": data}, with_=renderer(tmp_path))
    assert f"encrypted by SOPS for PGP {fingerprint}, and none of our keys fits" in problem


@pytest.fixture
def gpg_home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg(home, "--batch", "--passphrase", "", "--quick-generate-key", "bot@example.com", "rsa2048", "encrypt", "never")
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, timeout=60)


def gpg(home: Path, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", str(home), "--quiet", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout


def agents() -> set[str]:
    """Return the homes of the gpg agents that run."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = folder.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended while we looked
        if words[0].endswith("gpg-agent"):
            found.add(" ".join(words))
    return found


def test_file_for_others_names_its_recipients(with_key: Renderer, key: AgeKey) -> None:
    other = AgeKey(key.file.with_name("other.txt"))
    files = {"app/x.yaml": encrypted(SECRET % "one", *age(other)), "app/y.yaml": encrypted(SECRET % "two", *age(other))}
    said = (
        f"the file is encrypted by SOPS for {other.public}, and none of our keys fits: set SOPS_AGE_KEY_FILE or "
        "SOPS_PGP_KEY_FILE, or add our key with sops updatekeys"
    )
    assert problems(files, with_=with_key) == [f"app/x.yaml:1: {said}", f"app/y.yaml:1: {said}"]


def test_file_edited_without_sops_is_refused(with_key: Renderer, key: AgeKey) -> None:
    data = encrypted(SECRET % "one", *age(key)).replace(b"name: one", b"name: two")
    (problem,) = problems({"app/x.yaml": data}, with_=with_key)
    assert "was changed after SOPS encrypted it" in problem


def test_missing_sops_says_how_to_get_it(tmp_path: Path, key: AgeKey, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encrypted(SECRET % "one", *age(key))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert problems({"app/x.yaml": data}, with_=renderer(tmp_path, tools=())) == [
        "app/x.yaml:1: the file is encrypted by SOPS: sops is needed and is not on the PATH: get it from https://getsops.io/"
    ]


def test_secret_that_lost_its_sops_section_is_never_applied(with_key: Renderer, key: AgeKey) -> None:
    data = encrypted(SECRET % "one", *age(key)).split(b"\nsops:")[0]
    assert problems({"app/x.yaml": data}, with_=with_key) == [
        "app/x.yaml:1: Secret one has values that are still encrypted by SOPS: its sops section is missing"
    ]


def test_text_about_sops_is_left_alone(with_key: Renderer) -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {readme: 'sops writes ENC[AES256_GCM,data:x]'}\n"
    )
    (manifest,) = render({"app/x.yaml": text}, with_=with_key).manifests
    assert manifest.body["data"] == {"readme": "sops writes ENC[AES256_GCM,data:x]"}
