"""What is asked of a NoETL server: its generation, its catalog, executions."""
