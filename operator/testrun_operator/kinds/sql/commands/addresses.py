"""Which database: from the command line and from the environment."""

from collections.abc import Mapping

from testrun_operator.databases.dsn import Dsn, read_dsn
from testrun_operator.terminal.errors import CannotDo

URL, USER, PASSWORD = "DB_URL", "DB_USER", "DB_PASSWORD"


def find_database(address: str | None, user: str | None, environment: Mapping[str, str]) -> Dsn:
    """Find the database's address.

    What the command line says goes first, then what the address itself says, then the environment.

    Args:
        address: from the command line, or None.
        user: from the command line, or None.
        environment: may have DB_URL, DB_USER and DB_PASSWORD.

    Raises:
        CannotDo: there is none.
        InvalidDsn: it cannot be understood.
    """
    text = address or environment.get(URL)
    if not text:
        raise CannotDo(f"no database: give --dsn, or set {URL}, for instance to postgresql://me@localhost/scratch")
    written = read_dsn(text)
    chosen = user or written.user or environment.get(USER) or None
    # A password belongs to the user that it is written with.
    password = (written.password if chosen == written.user else None) or environment.get(PASSWORD) or None
    return read_dsn(text, user=chosen, password=password)
