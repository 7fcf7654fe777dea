"""The files of a project: found, checked, ordered, and packed into a ConfigMap."""
