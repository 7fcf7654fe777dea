"""The recordings of real executions are complete enough to be replayed, and say nothing about where they were made."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

_TIMELINES = sorted((Path(__file__).parent / "timelines").glob("*.json"))
_RELEASES = {"1.8.0", "2.5.5", "4.26.0", "rust-3.54.0"}


def _load(path: Path) -> dict[str, Any]:
    timeline: dict[str, Any] = json.loads(path.read_text())
    return timeline


def test_every_release_is_recorded_with_the_playbooks_that_all_of_them_can_run() -> None:
    """A rule that was tried on one dialect only is not tried."""
    recorded: dict[str, set[str]] = {}
    for timeline in map(_load, _TIMELINES):
        recorded.setdefault(timeline["release"], set()).add(timeline.get("scenario", timeline["playbook"]))
    assert set(recorded) == _RELEASES
    common = set.intersection(*recorded.values())
    assert common >= {"hello_world", "late_failure", "composition", "loop", "retry", "slow", "no_worker"}


@pytest.mark.parametrize("path", _TIMELINES, ids=lambda path: path.stem)
def test_a_recording_is_in_the_order_of_time_and_has_events_of_its_execution(path: Path) -> None:
    """What replays it relies on that."""
    timeline = _load(path)
    times = [row["atMs"] for row in timeline["rows"]]
    assert times == sorted(times)
    events = [row["row"] for row in timeline["rows"] if row["table"] == "event"]
    assert events[0]["execution_id"] == timeline["executionId"]
    assert len({event["event_id"] for event in events}) == len(events)


@pytest.mark.parametrize("path", _TIMELINES, ids=lambda path: path.stem)
def test_a_recording_names_no_path_and_no_machine(path: Path) -> None:
    """It is part of the source: what it tells about a machine, it would tell everybody."""
    text = path.read_text()
    assert not re.findall(r"(?:/root|/home|/tmp|/usr|/opt|site-packages)\b|\b127\.0\.0\.1|password|hostname", text)
