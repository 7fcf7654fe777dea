"""The soak: the whole operator over a simulated cluster, in simulated time, with whatever happens in ordinary clusters.

``docs/develop.md`` says how to run it and how to read what it prints.
"""
