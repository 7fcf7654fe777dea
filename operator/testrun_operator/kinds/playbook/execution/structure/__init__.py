"""What is missing from a log, as far as its own structure tells: by generation, without a clock and without asking."""
