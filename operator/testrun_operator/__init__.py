"""testrun-operator: regression testing as Kubernetes resources.

Data flows one way: spec → plan → Job → report → verdict → status and store. Each step is a folder of this package;
``docs/architecture.md`` walks through them.
"""

from importlib.metadata import version

__version__ = version("testrun-operator")
