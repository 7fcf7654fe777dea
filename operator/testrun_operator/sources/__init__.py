"""Where the files of a case come from: inline text, a mounted ConfigMap, Git."""
