"""A complete single-node Kubernetes cluster from Debian's packages, without Docker and without an image registry.

`README.md` beside this file explains how it works. Only Python's standard library is used: these modules run
before the project's virtual environment exists.
"""
