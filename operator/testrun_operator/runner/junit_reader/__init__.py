"""Reads the JUnit XML that a container case leaves behind: a native sidecar in the case's pod.

The case's image is anybody's. So the folder is hostile: what is in it is bounded in number, size and depth, links are
not followed, and what is read is data and nothing else (``folder.py``, ``documents.py``). What was found leaves the pod
as any report of the runner does (``reading.py``); the operator parses no XML.
"""
