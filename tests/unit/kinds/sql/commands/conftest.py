"""Fixtures of these tests."""

from support.command_line import _no_surroundings, invoke  # noqa: F401 - pytest finds fixtures by their names here
