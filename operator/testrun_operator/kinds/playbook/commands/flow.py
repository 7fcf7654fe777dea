"""Whether the steps of a playbook come one after the other, by how it is written."""

from collections.abc import Iterable, Mapping

from testrun_operator.kinds.playbook.commands.traversal import Spot

_CONDITIONS = ("when", "else", "condition", "if")


def is_sequential(found: Iterable[Spot]) -> bool:
    """Say whether no step has two that follow it at once.

    Of several that follow, each must have a condition; that no two of these hold is for the log of a run to show.

    Args:
        found: all that is in the steps.
    """
    return all(_is_single(spot.fields.get("next")) for spot in found)


def _is_single(following: object) -> bool:
    if isinstance(following, Mapping):
        arcs = following.get("arcs")
        spec = following.get("spec")
        mode = spec.get("mode") if isinstance(spec, Mapping) else None
        # Releases that know arcs take the first that fits, unless they are told otherwise.
        return mode != "inclusive" or _is_single(arcs)
    if not isinstance(following, list) or len(following) < 2:  # noqa: PLR2004 - more than one
        return not (isinstance(following, list) and following and _has_many(following[0]))
    return all(isinstance(one, Mapping) and any(key in one for key in _CONDITIONS) for one in following) and not any(
        map(_has_many, following)
    )


def _has_many(branch: object) -> bool:
    """Whether one branch starts several steps: ``then: [{step: a}, {step: b}]``."""
    then = branch.get("then") if isinstance(branch, Mapping) else None
    return isinstance(then, list) and len(then) > 1
