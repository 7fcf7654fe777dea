"""The databases that tests run against.

``base.py`` says what each of them can do, ``opening.py`` finds the right one.
"""
