"""The whole world on one machine: a shop, its repository, cluster, workspace, on-call desk, and the real bot."""
