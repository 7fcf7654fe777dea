"""The command line ``testrun``: what pods start, and what people type."""


def main() -> None:
    """Run the command line; ends the process with the command's exit code."""
    # Imported here, so that `import testrun_operator.cli` costs nothing.
    from testrun_operator.cli.application import application  # noqa: PLC0415

    application()
