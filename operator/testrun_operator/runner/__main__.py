"""``python -m testrun_operator.runner``: what the pod of a case starts; without the command line's imports."""

import sys

from testrun_operator.runner.main import main

if __name__ == "__main__":
    sys.exit(main())
