"""Runs a project against a database."""
