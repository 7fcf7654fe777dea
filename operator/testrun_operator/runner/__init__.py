"""Runs one case in its pod, and reports how it ended.

``main.py`` is the process: it reads the case document and lets ``supervisor.py`` run the case in a child process, so
that the case's timeout holds whatever the case does. ``kinds.py`` knows which folder runs which kind of case; a new
kind is one more folder and one more line there. What every kind gets and gives back is in ``context.py``.

The kind ``container`` needs no runner: its pod runs the user's image. ``container/`` reads what that leaves behind.
"""
