"""Runs cases of the kind ``http``: one request, or a paginated walk, against a connection.

``case.py`` goes through the steps. First everything that the case says is rendered and compiled (``plan.py``), so that
a mistake in it is reported before the first request. Then requests are sent (``client.py``) from page to page
(``pagination.py``), and what came is judged (``expectations.py``).

Redirects are not followed: a test sees what the API says, and can expect a 302. No header ever reaches another origin
than the connection's.
"""
