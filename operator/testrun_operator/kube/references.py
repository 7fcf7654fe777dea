"""Names of things in the cluster, as values."""

from dataclasses import dataclass

from testrun_operator.api.base import Document
from testrun_operator.resources.crds import GROUP, VERSION


@dataclass(frozen=True, slots=True)
class RunReference:
    """A TestRun."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def as_owner(self) -> Document:
        """Return the owner reference that lets the garbage collector take what belongs to the run.

        It does not block the owner's deletion: that would need the right to update finalizers, and nothing is
        gained by it.
        """
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "TestRun",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
