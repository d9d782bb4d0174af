"""The programs that render: kustomize, helm and sops, and a registry to pull charts from, for the tests."""
