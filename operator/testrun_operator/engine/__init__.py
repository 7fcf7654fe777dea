"""The functional core: from a spec and from what was observed to cases, verdicts, a plan and a status.

Pure functions on frozen values. Nothing here knows kopf, HTTP, Postgres or the clock: the time comes in as an argument.
"""
