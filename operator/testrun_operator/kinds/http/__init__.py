"""Cases of kind ``http``: one request, or a paginated walk, against a connection."""
