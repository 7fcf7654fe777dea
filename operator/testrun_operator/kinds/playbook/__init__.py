"""Cases of kind ``playbook``: a NoETL playbook, run through the NoETL server and judged by its event log."""
