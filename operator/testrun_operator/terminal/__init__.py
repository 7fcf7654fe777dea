"""What every command of the command line shares: exit codes, options, output and what is told of errors."""
