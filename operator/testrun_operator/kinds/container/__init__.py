"""Cases of kind ``container``: any image and command; the exit code judges."""
