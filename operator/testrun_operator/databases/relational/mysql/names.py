"""Names in statements of MariaDB and MySQL."""


def quote(name: str) -> str:
    """Write a name so that the server takes it as it is."""
    return "`" + name.replace("`", "``") + "`"
