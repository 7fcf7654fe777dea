"""The ConfigMap of the example of playbooks, from the playbooks themselves: files are what one edits and tests."""

from pathlib import Path

from generators.repository import ROOT

EXAMPLE = ROOT / "examples" / "playbook"
PLAYBOOKS = EXAMPLE / "playbooks"
HEADER = """\
# The files of examples/playbook/playbooks, as `make generate` packs them. With kubectl the same is
# `kubectl create configmap playbooks --from-file examples/playbook/playbooks`.
apiVersion: v1
kind: ConfigMap
metadata:
  name: playbooks
data:
"""


def example_files() -> dict[Path, str]:
    """Return the ConfigMap's file."""
    keys = [
        f"  {file.name}: |\n" + "".join(f"    {line}\n" if line else "\n" for line in file.read_text().splitlines())
        for file in sorted(PLAYBOOKS.glob("*.yaml"))
    ]
    return {EXAMPLE / "playbooks.yaml": HEADER + "".join(keys)}
