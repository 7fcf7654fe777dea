"""Files that tell how an execution ended: JUnit XML and a page of HTML."""
