"""The connection to Postgres: a small pool that may be opened while the server is down, and transactions on it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Final, Self

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, namedtuple_row
from psycopg.sql import Composed
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from testrun_operator.errors import StoreUnavailable
from testrun_operator.store.faults import WRITE_FAULTS, ContentRefused, redact, translate
from testrun_operator.store.settings import StoreSettings

Connection = AsyncConnection[TupleRow]

_MAX_CONNECTIONS: Final = 2
"""One for the writer, one for what the controller reads at the same time."""

_STATEMENTS_PER_TRANSACTION: Final = 6
"""How many statements may each use up their timeout before the client gives up on the whole transaction."""

# Set for the transaction and not for the session: poolers such as pgbouncer hand sessions on to others. The last one
# frees the locks of an operator that was cut off from the network in the middle of a write.
_BEGIN: Final = (
    "SELECT set_config('TimeZone', 'UTC', true), set_config('statement_timeout', %s, true),"
    " set_config('lock_timeout', %s, true), set_config('idle_in_transaction_session_timeout', %s, true)"
)


class Database:
    """A pool of at most two connections. Everything that goes wrong in it comes out as one of our exceptions.

    Args:
        settings: where Postgres is.
    """

    def __init__(self, settings: StoreSettings) -> None:
        parameters = settings.connection_parameters()
        password = parameters.get("password")
        self.schema = settings.schema
        self.user = str(parameters.get("user") or "the operator's user")
        self.name = str(parameters.get("dbname") or self.user)
        self._settings = settings
        self._password = None if password is None else str(password)
        self._connect_failure: str | None = None
        self._pool: AsyncConnectionPool[Connection] | None = None

    def __repr__(self) -> str:
        return f"<Database schema={self.schema!r}>"

    async def open(self) -> None:
        """Make the pool ready. Never fails: a server that is down is noticed by whoever asks for a connection."""
        # The pool would report every attempt to reconnect; whoever waits for the connection says it once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        timeout = float(self._settings.connect_timeout_seconds)
        parameters = {
            **self._settings.connection_parameters(),
            "client_encoding": "UTF8",  # psycopg sends JSON in UTF-8, whatever the database's own encoding is
            "autocommit": True,
            "prepare_threshold": None,  # poolers that switch sessions between transactions lose prepared statements
        }
        self._pool = AsyncConnectionPool(
            connection_class=self._connection_class(),
            kwargs=parameters,
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            open=False,
            check=AsyncConnectionPool.check_connection,  # so that a restart of Postgres costs no failed write
            timeout=timeout,
            # The pool's own attempts end with the request that caused them; the next request causes new ones. Its
            # delays would otherwise grow to minutes in an outage and keep results waiting after it.
            reconnect_timeout=timeout,
            name="testrun-operator",
        )
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections. Does nothing if there are none."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await pool.close(timeout=1)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # It is the pool's own workers that were cancelled: kopf ends every task that was started after it. What
            # comes after this, giving the Lease back above all, must not be lost by that.

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def transaction(self, *, statement_timeout_seconds: float | None = None) -> AsyncIterator[Connection]:
        """Give a connection inside a transaction, which is committed at the end of the block.

        Args:
            statement_timeout_seconds: how long one statement may take, if not as long as the settings say.

        Raises:
            StoreUnavailable: Postgres did not answer, or refused for a reason that may pass.
            ContentRefused: Postgres does not accept the content of a row.
        """
        if self._pool is None:
            raise StoreUnavailable("the connection to Postgres is closed")
        statement = statement_timeout_seconds or self._settings.statement_timeout_seconds
        whole = _STATEMENTS_PER_TRANSACTION * statement
        lock = self._settings.statement_timeout_seconds
        limits = [f"{round(seconds * 1000)}ms" for seconds in (statement, lock, whole)]
        with self._translated():
            # Postgres ends a slow statement; the limit here is for a server, or a network, that says nothing at all.
            async with asyncio.timeout(self._settings.connect_timeout_seconds + whole):
                async with self._pool.connection() as connection, connection.transaction():
                    await connection.execute(_BEGIN, limits)
                    yield connection

    async def rows(self, query: Composed, parameters: Sequence[object] = ()) -> list[Any]:
        """Run one query and give its rows as named tuples.

        Raises:
            StoreUnavailable: Postgres did not answer, or refused.
        """
        try:
            async with self.transaction() as connection, connection.cursor(row_factory=namedtuple_row) as cursor:
                await cursor.execute(query, parameters)
                return await cursor.fetchall()
        except ContentRefused as error:
            raise StoreUnavailable(f"a query was refused: {error}") from None

    async def ping(self) -> None:
        """Ask Postgres for a sign of life.

        Raises:
            StoreUnavailable: there was none.
        """
        async with self.transaction():
            pass

    def _connection_class(self) -> type[Connection]:
        """Make a connection class that keeps why a connection could not be made; the pool only logs it."""
        database = self

        class _Connection(AsyncConnection[TupleRow]):
            @classmethod
            async def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
                try:
                    connection = await super().connect(conninfo, **parameters)
                except Exception as error:
                    database._connect_failure = str(error)
                    raise
                database._connect_failure = None
                return connection

        return _Connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout:
            seconds = self._settings.connect_timeout_seconds
            cause = self._connect_failure or f"none was free, and none could be made, within {seconds} s"
            text = redact(" ".join(cause.split()), self._password)
            raise StoreUnavailable(f"no connection to Postgres: {text}") from None
        except WRITE_FAULTS as error:
            # Without the cause: a traceback would show the driver's text, which nobody has looked through.
            raise translate(error, schema=self.schema, user=self.user, password=self._password) from None
