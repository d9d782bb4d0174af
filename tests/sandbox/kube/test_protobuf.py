"""Bodies that Go's typed clients send as protobuf. The bytes of the Ingress are what kubectl 1.37 sent."""

from __future__ import annotations

from contextlib import suppress

import pytest

from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.protobuf import decode

# kubectl create ingress shop --rule="a.example.com/*=web:80"
INGRESS = bytes.fromhex(
    "6b3873000a1f0a146e6574776f726b696e672e6b38732e696f2f76311207496e6772657373124d0a140a04696e6732"
    "12001a0022002a0032003800420012311a2f0a0d612e6578616d706c652e636f6d121e0a1c0a1a0a012f120d220b0a03"
    "776562120"
    "40a0010501a065072656669781a020a001a002200"
)


def test_ingress_of_kubectl_is_read() -> None:
    body = decode(INGRESS)
    assert (body["apiVersion"], body["kind"], body["metadata"]["name"]) == ("networking.k8s.io/v1", "Ingress", "ing2")
    (rule,) = body["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"], path["pathType"]) == ("a.example.com", "/", "Prefix")
    assert path["backend"]["service"] == {"name": "web", "port": {"name": "", "number": 80}}


def test_body_that_ends_early_is_refused_or_read_as_far_as_it_goes() -> None:
    for length in range(len(INGRESS)):
        with suppress(StatusError):  # anything else would be a crash
            assert decode(INGRESS[:length])["kind"] == "Ingress"
    with pytest.raises(StatusError, match="cannot be read"):
        decode(INGRESS[:-1])


def test_unknown_kind_is_named() -> None:
    envelope = b"k8s\x00\x0a\x0d\x0a\x02v9\x12\x07Nothing"
    with pytest.raises(StatusError, match='no kind "Nothing" is registered for version "v9"'):
        decode(envelope)
