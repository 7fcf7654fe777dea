"""A kind of test case that exists to show what a kind needs: ``echo``, which says something and hears it."""
