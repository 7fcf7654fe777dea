"""What a cluster answers, made up."""

from collections.abc import Mapping
from typing import Any


class FakeClient:
    """Answers with one TestRun after the other, the last one for ever; an exception is raised."""

    def __init__(self, answers: list[Mapping[str, Any] | Exception | None]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, str, str]] = []
        self.created: list[tuple[str, str, Mapping[str, Any]]] = []
        self.closed = False

    async def get(self, resource: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        """Return the next answer."""
        self.asked.append((resource, namespace, name))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def create(self, resource: str, namespace: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take an object, and name it as the server would."""
        self.created.append((resource, namespace, body))
        metadata = body["metadata"]
        return {**body, "metadata": {**metadata, "name": metadata.get("name") or metadata["generateName"] + "x7k2p"}}

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


def make_run(phase: str | None = None, *, generation: int = 1, observed: int = 1, **status: Any) -> dict[str, Any]:
    """Make a TestRun as the API server sends it."""
    said = {"observedGeneration": observed, **({"phase": phase} if phase else {}), **status}
    return {
        "apiVersion": "testrun.dev/v1alpha1",
        "kind": "TestRun",
        "metadata": {"namespace": "shop", "name": "nightly", "generation": generation},
        "spec": {"suiteRef": {"name": "checkout"}},
        "status": said,
    }


def make_condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    """Make a condition as the API server sends it."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
