"""Fixtures of these tests."""

from support.command_line import (  # noqa: F401 - pytest finds fixtures by their names here
    _no_surroundings,
    cluster_with,
    invoke,
    no_cluster,
)
