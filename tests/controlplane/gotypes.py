"""Records the shape of Kubernetes' Go types, which OpenAPI does not tell: pointers, omitempty, protobuf, patches.

The real server keeps an object as a Go struct, so that an empty string may vanish, `resources: {}` may appear and
`1000m` becomes `1`. The sandbox does the same by this table. `python -m tests.controlplane.gotypes` reads the Go
modules of the control plane and writes `bot/sandbox/kube/data/go-types.json.gz`; run it with each new version.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.controlplane.building import HERE

TARGET: Final = HERE.parent.parent / "bot" / "sandbox" / "kube" / "data" / "go-types.json.gz"
_MODULES: Final = ("k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator")
_SPECIAL: Final = {
    "k8s.io/apimachinery/pkg/apis/meta/v1.Time": "time",
    "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "microtime",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "duration",
    "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "any",
    "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
    "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "intorstring",
    "k8s.io/apimachinery/pkg/runtime.RawExtension": "any",
    "k8s.io/apimachinery/pkg/runtime.Object": "any",
    "k8s.io/apimachinery/pkg/types.UID": "string",
    "k8s.io/apimachinery/pkg/types.NodeName": "string",
    "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON": "any",
    "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaProps": "any",
}
_STRUCT: Final = re.compile(r"^type (\w+) struct ?\{(?:\}|\n(.*?)^\})", re.M | re.S)
_NAMED: Final = re.compile(r"^(?:type |\t)(\w+)\s+(?:= )?((?:\[\]|map\[[\w.]+\]|\*)*[\w.]+)(?:\s*//.*)?$", re.M)
_FIELD: Final = re.compile(r"^\t(?:(\w+)\s+)?(\S+)\s+`(.*?)`", re.M)
_IMPORT: Final = re.compile(r'^\s*(?:import\s+)?(?:(\w+)\s+)?"(k8s\.io/[^"]+)"', re.M)
_FILE: Final = re.compile(r"^(types.*|group_version)\.go$")
_BASIC: Final = {"string", "bool", "int", "int32", "int64", "float32", "float64", "byte", "any"}


def main() -> None:
    sources: dict[str, list[str]] = {}
    for module in _MODULES:
        command = ["go", "list", "-m", "-f", "{{.Dir}}", module]
        folder = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=HERE / "go" / "kubernetes"
        ).stdout.strip()
        for file in sorted(Path(folder).rglob("*.go")):
            if (
                "internal" not in file.parts
                and re.search(r"/v\d[a-z0-9]*$", str(file.parent))
                and _FILE.search(file.name)
            ):
                package = module + "/" + str(file.parent.relative_to(folder))
                sources.setdefault(package, []).append(file.read_text(encoding="utf-8"))
    named: dict[str, str] = {}
    structs: dict[str, list[tuple[str, str, dict[str, str]]]] = {}
    for package, texts in sources.items():
        for text in texts:
            imports = {alias or path.rpartition("/")[2]: path for alias, path in _IMPORT.findall(text)}
            for name, body in _STRUCT.findall(text):
                structs[f"{package}.{name}"] = list(_fields(body, package, imports))
            for name, expression in _NAMED.findall(text):
                if name[0].isupper() and expression != "struct":
                    named.setdefault(f"{package}.{name}", _qualified(expression, package, imports))
    types = {name: _flat(name, structs, named) for name in structs}
    roots = [name for name in types if "metadata" in types[name] or name.endswith(("v1.Status", "v1.DeleteOptions"))]
    reached: dict[str, Any] = {}
    while roots:
        name = roots.pop()
        if name not in reached:
            reached[name] = types[name]
            roots += [one for field in types[name].values() if (one := _base(field["t"])) in types]
    data = json.dumps({_short(name): _shortened(reached[name]) for name in sorted(reached)}, separators=(",", ":"))
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(gzip.compress(data.encode(), mtime=0))
    print(f"{len(reached)} types, {len(data)} bytes")  # noqa: T201


def _fields(body: str, package: str, imports: dict[str, str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for name, expression, text in _FIELD.findall(re.sub(r"//.*", "", body)):
        tags = dict(re.findall(r'(\w+):"([^"]*)"', text))
        if tags.get("json") != "-" and "json" in tags:
            yield name, _qualified(expression, package, imports), tags


def _qualified(expression: str, package: str, imports: dict[str, str]) -> str:
    """Return a type with whole names: []v1.Container becomes []k8s.io/api/core/v1.Container."""
    found = re.fullmatch(r"((?:\*|\[\]|map\[[\w.]+\])*)([\w.]+)", expression.replace("interface{}", "any"))
    if found is None:
        raise ValueError(f"{package}: cannot read the type {expression}")
    prefix, base = re.sub(r"map\[[\w.]+\]", "{}", found[1]), found[2]
    if "." in base:
        alias, _, name = base.partition(".")
        base = f"{imports.get(alias, alias)}.{name}"
    elif base not in _BASIC:
        base = f"{package}.{base}"
    return prefix + _SPECIAL.get(base, base)


def _flat(name: str, structs: dict[str, Any], named: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the JSON fields of a struct, those of inlined structs among them."""
    fields: dict[str, dict[str, str]] = {}
    for _, expression, tags in structs.get(name, ()):  # none: the inlined runtime.TypeMeta of an untyped object
        json_name, *flags = tags["json"].split(",")
        if not json_name:
            inlined = _resolved(_base(expression), structs, named)
            fields.update(_flat(inlined, structs, named))
            if number := _number(tags):
                fields[f"#{number}"] = {"t": inlined, "f": "", "n": number}
            continue
        shape = _resolved(expression.removeprefix("*"), structs, named)
        fields[json_name] = {
            "t": shape.replace("[]byte", "bytes"),
            "f": ("o" if "omitempty" in flags else "")
            + ("z" if "omitzero" in flags else "")
            + ("p" if expression.startswith("*") else ""),
            "n": _number(tags),
            **({"s": tags["patchStrategy"]} if "patchStrategy" in tags else {}),
            **({"k": tags["patchMergeKey"]} if "patchMergeKey" in tags else {}),
        }
    return fields


def _number(tags: dict[str, str]) -> str:
    """Return the protobuf number of a field, "" for a type that has no protobuf."""
    return tags["protobuf"].split(",")[1] if "," in tags.get("protobuf", "") else ""


def _resolved(expression: str, structs: dict[str, Any], named: dict[str, str]) -> str:
    """Return a type with the names of basic types, lists, maps and aliases replaced by what they stand for."""
    while (base := _base(expression)) in named and base not in structs:
        expression = expression.replace(base, named[base]).replace("*", "")
    return expression


def _base(expression: str) -> str:
    return re.sub(r"\[\]|\{\}|\*", "", expression)


def _short(name: str) -> str:
    return re.sub(
        r"k8s\.io/(api|apimachinery/pkg/apis|apiextensions-apiserver/pkg/apis|kube-aggregator/pkg/apis)/", "", name
    )


def _shortened(fields: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: {**field, "t": _short(field["t"])} for name, field in fields.items()}


if __name__ == "__main__":
    main()
