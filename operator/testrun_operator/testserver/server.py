"""The test server's process."""


def serve(host: str = "0.0.0.0", port: int = 5555, *, access_log: bool = False) -> None:  # noqa: S104 - it is a server
    """Serve until the process is told to end by SIGTERM or SIGINT; requests under way are finished first.

    Writes nothing to disk, so that it runs under any user id and on a read-only root file system.

    Args:
        host: address to listen on; empty for all, of IPv4 and of IPv6.
        port: port to listen on.
        access_log: whether each request is logged; problems are logged anyway.
    """
    # Imported here, so that the command line can name this function without loading a web framework.
    import uvicorn  # noqa: PLC0415

    from testrun_operator.testserver.app import create_app  # noqa: PLC0415

    uvicorn.run(
        create_app(),
        host=host,
        port=port,
        access_log=access_log,
        log_level="info" if access_log else "warning",
        server_header=False,
        timeout_graceful_shutdown=5,
    )
