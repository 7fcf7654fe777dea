"""Environment variables and files of a case's pod: their names, for who writes and who reads."""

DOCUMENT_VARIABLE = "TESTRUN_CASE"
DOCUMENT_PATH = "/etc/testrun/case.json"
DOCUMENT_DIGEST_VARIABLE = "TESTRUN_CASE_SHA256"
"""The digest of the document that is mounted; the ConfigMap that it comes from may be written by others, too."""
FILES_PATH = "/etc/testrun/files"
"""Where the files of a ConfigMap are, for cases that bring some along."""
TLS_PATH = "/etc/testrun-tls"
"""Below it are, in a folder by the name of each connection with ``tls``, ca/ca.crt, client/tls.crt, client/tls.key."""
GIT_USERNAME_VARIABLE = "TESTRUN_GIT_USERNAME"
GIT_PASSWORD_VARIABLE = "TESTRUN_GIT_PASSWORD"  # noqa: S105 - the name of a variable
GIT_CA_VARIABLE = "TESTRUN_GIT_CA"
"""Environment variables with the credentials for a Git repository; all but the password may be missing."""
CREDENTIAL_PREFIX = "TESTRUN_CREDENTIAL_"
"""How the environment variables begin that hold what a playbook case registers as credentials."""
TERMINATION_LOG_VARIABLE = "TESTRUN_TERMINATION_LOG"
"""Where the runner writes its report; set in tests, /dev/termination-log otherwise."""


def credential_prefix(index: int) -> str:
    """Return how the environment variables begin that hold the fields of one credential of a playbook case.

    What follows is the key of the Secret as it is: ``TESTRUN_CREDENTIAL_0_db_host``.

    Args:
        index: place of the credential in the case, from 0.
    """
    return f"{CREDENTIAL_PREFIX}{index}_"
