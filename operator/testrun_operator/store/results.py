"""Writing results, so that writing them again changes nothing, and reading what the controller needs to know."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from types import TracebackType
from typing import Final, NamedTuple, Self

from psycopg.sql import SQL, Composed, Identifier, Placeholder

from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.outcome import Baseline, CaseRecord, RunRecord
from testrun_operator.store.database import Connection, Database
from testrun_operator.store.faults import ContentRefused, Loss, Refusal
from testrun_operator.store.migrating import in_schema, migrate
from testrun_operator.store.rows import (
    AttemptRow,
    DetailRow,
    ResultRow,
    SummaryRow,
    attempt_rows,
    detail_rows,
    reduced_case,
    reduced_run,
    result_row,
    summary_row,
)
from testrun_operator.store.settings import StoreSettings

logger = logging.getLogger(__name__)

CaseKey = tuple[int, str]
"""Run id and name of a case."""

_ROWS_PER_COPY: Final = 20_000
"""Each COPY has to end within the statement's timeout, however many details one case has."""

_ROWS_PER_TURN: Final = 500
"""After so many rows the event loop gets a turn; liveness probes are answered while a large report is written."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch. A case that is in neither mapping is stored as it was."""

    reduced: Mapping[CaseKey, str] = field(default_factory=dict)
    """Stored without details, because Postgres refused something in them: what it said."""
    refused: Mapping[CaseKey, str] = field(default_factory=dict)
    """Not stored, because Postgres refused even that: what it said. Only rules that others added can be the cause."""


class ResultStore:
    """The tables of results.

    Args:
        settings: where Postgres is.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.database = Database(settings)
        self.refusals: Counter[tuple[Loss, Refusal]] = Counter()
        """How many records Postgres did not accept as they were."""
        schema = settings.schema
        self._upsert_result = _upsert(schema, "regression_results", ResultRow, ("test_run_id", "playbook_name"))
        self._upsert_summary = _upsert(schema, "regression_summary", SummaryRow, ("test_run_id",))
        self._copy_attempts = _copy(schema, "regression_attempts", AttemptRow)
        self._copy_details = _copy(schema, "regression_details", DetailRow)
        self._delete_attempts = in_schema(
            "DELETE FROM {schema}.regression_attempts AS stored"
            " USING unnest(%s::bigint[], %s::text[]) AS rewritten (test_run_id, playbook_name)"
            " WHERE stored.test_run_id = rewritten.test_run_id AND stored.playbook_name = rewritten.playbook_name",
            schema,
        )

    async def open(self) -> None:
        """Make ready to connect. Never fails, also while Postgres is down."""
        await self.database.open()

    async def close(self) -> None:
        """Close all connections."""
        await self.database.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def migrate(self) -> tuple[int, ...]:
        """Bring the schema up to date; see :func:`testrun_operator.store.migrating.migrate`."""
        return await migrate(self.database)

    async def ping(self) -> None:
        """Ask Postgres for a sign of life.

        Raises:
            StoreUnavailable: there was none.
        """
        await self.database.ping()

    async def write_cases(self, records: Sequence[CaseRecord]) -> Written:
        """Store cases with their attempts and details; what was stored of them before is replaced.

        One transaction for all. Where Postgres refuses the content of a record, each gets a transaction of its own, and
        the offending one is stored without its details, so that neither its verdict nor the others are lost.

        Args:
            records: any number; of two for the same case the later one counts, and skipped cases are passed over.

        Returns:
            Which records could not be stored as they are.

        Raises:
            StoreUnavailable: nothing, or not everything, was written; write all of them again.
        """
        latest = {(record.run_id, record.outcome.case): record for record in records}
        # In the order of the keys, so that two operators that write the same rows wait for each other and do not block.
        ordered = [latest[key] for key in sorted(latest) if latest[key].outcome.verdict is not Verdict.SKIPPED]
        if not ordered:
            return Written()
        try:
            await self._write(ordered)
        except ContentRefused:
            return await self._write_one_by_one(ordered)
        return Written()

    async def write_run(self, record: RunRecord) -> str | None:
        """Store the summary of an execution; what was stored of it before is replaced.

        Returns:
            None, or what Postgres said where it refused the summary even without its texts and settings.

        Raises:
            StoreUnavailable: nothing was written; write it again.
        """
        try:
            await self._write_summary(record)
        except ContentRefused as refusal:
            first = refusal
            extra = {"run": record.run_id, "problem": str(refusal)}
            logger.warning("a summary is stored without its settings", extra=extra)
        else:
            return None
        try:
            await self._write_summary(reduced_run(record))
        except ContentRefused as refusal:
            extra = {"run": record.run_id, "problem": str(refusal)}
            logger.error("a summary cannot be stored", extra=extra)  # noqa: TRY400 - a trace is of no use
            self.refusals[Loss.DROPPED, refusal.reason] += 1
            return str(refusal)
        self.refusals[Loss.REDUCED, first.reason] += 1
        return None

    async def passed_cases(self, run_id: int) -> frozenset[str]:
        """Name the cases that `rerun: Failed` need not repeat after an execution.

        Those are the ones that passed in it and, if it was restricted itself, those that had passed before and were
        therefore left out of it (``passed_before`` in its ``test_config``).

        Raises:
            StoreUnavailable: Postgres did not answer.
        """
        query = (
            "SELECT playbook_name FROM {schema}.regression_results WHERE test_run_id = %s AND test_passed"
            " UNION SELECT jsonb_array_elements_text(test_config -> 'passed_before')"
            " FROM {schema}.regression_summary WHERE test_run_id = %s"
            " AND jsonb_typeof(test_config -> 'passed_before') = 'array'"
        )
        rows = await self.database.rows(in_schema(query, self.database.schema), [run_id, run_id])
        return frozenset(row.playbook_name for row in rows)

    async def verdicts(self, run_id: int) -> dict[str, Verdict]:
        """Return the verdicts of an execution that are stored, by case.

        Raises:
            StoreUnavailable: Postgres did not answer.
        """
        query = "SELECT playbook_name, verdict FROM {schema}.regression_results WHERE test_run_id = %s"
        rows = await self.database.rows(in_schema(query, self.database.schema), [run_id])
        known = {verdict.value: verdict for verdict in Verdict}
        return {row.playbook_name: known[row.verdict] for row in rows if row.verdict in known}

    async def baselines(self, names: Iterable[str]) -> dict[str, Baseline]:
        """Read the baselines of some cases.

        Args:
            names: names of cases.

        Returns:
            By name, those that have one.

        Raises:
            StoreUnavailable: Postgres did not answer.
        """
        query = (
            "SELECT playbook_name, expected_status, min_events, max_duration_ms FROM {schema}.expected_results"
            " WHERE playbook_name = ANY (%s)"
        )
        rows = await self.database.rows(in_schema(query, self.database.schema), [sorted(set(names))])
        return {
            row.playbook_name: Baseline(
                case=row.playbook_name,
                expected_status=row.expected_status and row.expected_status.strip().upper(),
                min_events=row.min_events,
                max_duration_milliseconds=row.max_duration_ms,
            )
            for row in rows
        }

    async def _write(self, records: Sequence[CaseRecord]) -> None:
        async with self.database.transaction() as connection, connection.cursor() as cursor:
            results = [result_row(record) for record in records]
            # First, because it locks the row: another operator with the same cases waits here, and then replaces.
            await cursor.executemany(self._upsert_result, results)
            keys = [row.test_run_id for row in results], [row.playbook_name for row in results]
            await cursor.execute(self._delete_attempts, keys)
            attempts = chain.from_iterable(attempt_rows(record) for record in records)
            await _copy_rows(connection, self._copy_attempts, attempts)
            details = chain.from_iterable(detail_rows(record) for record in records)
            await _copy_rows(connection, self._copy_details, details)

    async def _write_one_by_one(self, records: Sequence[CaseRecord]) -> Written:
        reduced: dict[CaseKey, str] = {}
        refused: dict[CaseKey, str] = {}
        for record in records:
            key = (record.run_id, record.outcome.case)
            try:
                await self._write([record])
            except ContentRefused as refusal:
                first = refusal
                reduced[key] = str(refusal)
            else:
                continue
            extra = {"run": record.run_id, "case": record.outcome.case}
            try:
                await self._write([reduced_case(record, reduced[key])])
            except ContentRefused as refusal:
                refused[key] = str(refusal)
                self.refusals[Loss.DROPPED, refusal.reason] += 1
                del reduced[key]
                extra |= {"problem": str(refusal)}
                logger.error("a result cannot be stored", extra=extra)  # noqa: TRY400 - a trace is of no use
            else:
                self.refusals[Loss.REDUCED, first.reason] += 1
                logger.warning("a result is stored without its details", extra=extra | {"problem": reduced[key]})
        return Written(reduced, refused)

    async def _write_summary(self, record: RunRecord) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(self._upsert_summary, summary_row(record))


def _upsert(schema: str, table: str, row: type[NamedTuple], key: tuple[str, ...]) -> Composed:
    """Compose the statement that inserts a row, or replaces the one with the same key.

    The timestamp of a row that exists is left alone: where a record has none, it is the time of the first write.
    """
    names = row._fields
    values = [
        SQL("coalesce({}, timezone('utc', now()))").format(Placeholder()) if name == "test_timestamp" else Placeholder()
        for name in names
    ]
    replaced = [name for name in names if name not in {*key, "test_timestamp"}]
    return SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        Identifier(schema, table),
        SQL(", ").join(map(Identifier, names)),
        SQL(", ").join(values),
        SQL(", ").join(map(Identifier, key)),
        SQL(", ").join(SQL("{0} = excluded.{0}").format(Identifier(name)) for name in replaced),
    )


def _copy(schema: str, table: str, row: type[NamedTuple]) -> Composed:
    columns = SQL(", ").join(map(Identifier, row._fields))
    return SQL("COPY {} ({}) FROM STDIN").format(Identifier(schema, table), columns)


async def _copy_rows(connection: Connection, statement: Composed, rows: Iterable[tuple[object, ...]]) -> None:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _ROWS_PER_COPY)):
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for number, row in enumerate(chunk, start=1):
                await copy.write_row(row)
                if number % _ROWS_PER_TURN == 0:
                    await asyncio.sleep(0)
