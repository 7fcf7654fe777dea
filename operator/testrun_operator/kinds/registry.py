"""The kinds that there are, as objects."""

from importlib import import_module
from typing import Any, Final

from testrun_operator.kinds import FOLDERS
from testrun_operator.kinds.case_kind import CaseKind


def _load(folder: str) -> CaseKind[Any]:
    # Found by its name, so that a kind is one line. Which model belongs to which kind is not known to the type checker
    # here: a case has both, as Case.kind and Case.spec.
    kind: CaseKind[Any] = import_module(f"{__package__}.{folder}.definition").KIND
    return kind


KINDS: Final[tuple[CaseKind[Any], ...]] = tuple(map(_load, FOLDERS))
"""All kinds, in the order of the reference."""
