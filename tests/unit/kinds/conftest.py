"""Fixtures of these tests."""

from support.case_runs import answer, api, document, run_http  # noqa: F401 - pytest finds fixtures by their names here
