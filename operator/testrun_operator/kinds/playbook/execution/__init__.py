"""The case kind ``playbook`` (``docs/cases/playbook.md``): NoETL playbooks, judged by their event log.

Data flows one way::

    files        the playbooks and credentials to be registered
    server/      the NoETL server: which generation it is, registering, starting, cancelling
    eventlog/    what is in the log now: from Postgres, or through the server → log.Log
    structure/   is that all of it, by what is in it? pure: Log → what is missing
    completeness and by the time in which nothing came? pure: Logs and a clock → settled, open or incomplete
    verdict      how it ended, pure: Log → status
    judging      what it says, pure: Log and expectations → findings
"""
