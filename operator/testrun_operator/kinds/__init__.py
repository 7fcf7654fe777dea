"""The kinds of test cases: everything that is special about one of them is in its folder.

A folder has the models of the kind's fields (``spec.py``), what operator and generated files see of it
(``definition.py``, by the protocol in ``case_kind.py``), what runs in the pod of a case (``execution/``), and its own
commands of the command line (``commands/``), if it has any. A new kind is a folder, and one line in :data:`FOLDERS`.
"""

from typing import Final

FOLDERS: Final = (
    "http",
    "sql",
    "playbook",
    "container",
)
"""The folders of the kinds, in the order of the reference. Each is the kind's name, too."""
