"""The two resources as models, what travels into a case's pod and what comes back. Imports nothing else of ours."""
