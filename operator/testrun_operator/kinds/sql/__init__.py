"""The case kind ``sql``: database tests in the Trilogy format (``docs/cases/sql.md``).

Data flows one way::

    sources/    where the files come from: inline text, a mounted ConfigMap, Git
    project/    files → Project: schema, sources, fixtures and test case files, in their order
    parsing/    the text of a file → document.TestCase
    execution/  Project + databases.Database → outcome.ProjectOutcome
    reports/    outcome → JUnit XML, a page of HTML

``case.py`` does this for a case's pod, the command ``testrun sql run`` for a terminal.
"""
