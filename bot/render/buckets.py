"""The program that helm runs for `s3://…`: one object of a bucket to standard output, or one line of why not.

Started as a file, by the plugin that `write_plugin` makes, with helm's four arguments: certificate, key, authority, and
the address. Credentials, region and endpoint are those of the environment, in the names of AWS: keys, a pod's identity,
a web identity, or the instance's.
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

MISSING: Final = "charts in a bucket need obstore: pip install 'gitops-bot[s3]'"
VARIABLES: Final = "AWS_"  # what the names of all that it reads begin with
_PLUGIN: Final = """\
name: gitops-bot-s3
version: 0.1.0
usage: fetch charts from buckets
description: fetch charts from buckets
command: get
downloaders:
  - command: get
    protocols: [s3]
"""


def missing() -> str:
    """Return "" when buckets can be read, otherwise what to say."""
    return "" if importlib.util.find_spec("obstore") else MISSING


def write_plugin(folder: Path) -> None:
    """Make the plugin below `folder`, which helm finds by `HELM_PLUGINS`."""
    plugin = folder / "s3"
    plugin.mkdir(parents=True)
    (plugin / "plugin.yaml").write_text(_PLUGIN)
    program = shlex.join([sys.executable, "-I", __file__])
    (plugin / "get").write_text(f'#!/bin/sh\nexec {program} "$@"\n')
    (plugin / "get").chmod(0o700)


def main(arguments: Sequence[str]) -> int:
    """Write the object; 1 and a line on standard error when there is none for us."""
    address = arguments[-1]
    bucket, _, key = address.removeprefix("s3://").partition("/")
    import obstore
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
    from obstore.store import S3Store

    store = S3Store(
        bucket,
        client_options={"connect_timeout": "5s", "timeout": "30s"},
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
    )
    try:
        data = obstore.get(store, key).bytes()
    except (PermissionDeniedError, UnauthenticatedError):
        why = "access denied: the credentials of the environment may not read it"
    except FileNotFoundError:
        why = "there is no such object"
    except (BaseError, ValueError) as error:
        why = " ".join(str(error).partition("Debug source:")[0].split())
    else:
        sys.stdout.buffer.write(data)
        return 0
    sys.stderr.write(f"{address}: {why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
