"""``python -m testrun_operator.runner.junit_reader``: waits until the pod is told to end, and reads what is there then.

Kubernetes tells native sidecars to end when every other container has ended
(https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#termination).
"""

import signal

# Before anything else is imported, where the command (kube/pods.py) has not done so already: the first process of a
# container does not get a signal that it has no handler for, and one that is blocked waits until it is asked for.
_ENDING = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)

import os  # noqa: E402
import sys  # noqa: E402

from testrun_operator.runner.junit_reader.reading import read_and_report  # noqa: E402 - see above


def main() -> int:
    """Wait for the end of the case, and report.

    Returns:
        The exit code: 0, whatever the files say.
    """
    # All is imported by now: of a pod whose case used up the grace period, two seconds are left for this.
    signal.sigwait(_ENDING)
    return read_and_report(os.environ)


if __name__ == "__main__":
    sys.exit(main())
