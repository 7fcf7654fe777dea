"""Kubernetes: what we ask it for and what we read from it. Knows the models and the engine, and not kopf."""
