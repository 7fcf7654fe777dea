"""The case kind ``playbook`` (``docs/cases/playbook.md``): NoETL playbooks, judged by their event log.

Data flows one way::

    plan          what the case says, rendered and checked before anything starts
    server/       the NoETL server: which generation it is, its catalog, starting and cancelling executions
    registration  credentials and playbooks that are registered on the server before the start
    eventlog/     the rows of an execution that can be seen now, from Postgres or through the server → log.Log
    polling       reads the log again and again until it is complete
    structure/    is that all of it, by what is in it? Pure: Log → what is missing
    completeness  and by the time in which nothing came? Pure: Logs and a clock → settled, open or incomplete
    status        how the execution ended, and its errors. Pure: Log → status
    description   the document that expressions are applied to. Pure: Log → JSON
    judging       whether the expectations hold. Pure: Log and expectations → findings
    queries       what the databases say of the work that the playbook did → findings

``case`` goes through these steps. ``event_types``, ``steps`` and ``ids`` know what NoETL's releases write differently.
"""
