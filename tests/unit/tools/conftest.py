"""Makes the scripts in ``tools/`` importable, and those in ``ci/`` that they use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
sys.path.insert(1, str(Path(__file__).resolve().parents[3] / "ci"))
