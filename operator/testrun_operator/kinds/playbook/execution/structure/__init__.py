"""Is a log all of it? What its own structure says, by generation; pure."""
