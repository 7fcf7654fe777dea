"""Reads the event log of an execution and of all that it started: from Postgres, or through the server."""
