"""What the tests of one test case share."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from testrun_operator.databases.base import Isolation, Routine
from testrun_operator.kinds.sql.document import FixturePoint
from testrun_operator.kinds.sql.execution.cells import Cells
from testrun_operator.kinds.sql.execution.loading import load_fixtures
from testrun_operator.kinds.sql.execution.planning import PlannedCase
from testrun_operator.kinds.sql.execution.statements import Statements


@dataclass(slots=True)
class Surroundings:
    """What the tests of one test case share.

    Args:
        planned: the test case.
        statements: runs statements on its session.
        cells: reads the cells of its tables.
        isolation: what keeps its tests apart.
    """

    planned: PlannedCase
    statements: Statements
    cells: Cells
    isolation: Isolation
    _routines: Sequence[Routine] = field(default=(), init=False)

    def load(self, point: FixturePoint) -> None:
        """Load the fixtures of a section; raises as :func:`load_fixtures`."""
        load_fixtures(self.planned.fixtures.get(point, ()), self.statements)

    def routines(self) -> Sequence[Routine]:
        """Return the routines that the tests may call; they are looked for once.

        Raises:
            RoutineNotFound, NotPossible, OutOfTime, DatabaseUnreachable: as their names say.
        """
        if not self._routines:
            case = self.planned.case
            self._routines = self.statements.find_routines(case.routine or "", case.place)
        return self._routines

    def forget_routines(self) -> None:
        """Look for the routines again when they are needed: fixtures may have made or replaced them."""
        self._routines = ()
