"""A kind of test case that exists to show what a kind needs: ``parrot``, which says something and hears it."""
