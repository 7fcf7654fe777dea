"""Faults on the real cluster, under runs of which the true verdicts are known: ``make chaos``."""
