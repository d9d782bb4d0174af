"""`python -m tests.tools build` builds the programs; `path` prints a PATH that has them."""

from __future__ import annotations

import sys

from tests.tools.building import build, search_path


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build"]:
            sys.stdout.write("".join(f"{folder}\n" for folder in build()))
            return 0
        case ["path"]:
            sys.stdout.write(f"{search_path()}\n")
            return 0
        case _:
            sys.stderr.write("usage: python -m tests.tools build | path\n")
            return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
