"""Kubernetes in Docker (kind), behind the same commands as the native cluster."""
