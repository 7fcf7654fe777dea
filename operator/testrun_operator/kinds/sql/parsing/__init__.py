"""The parser: the text of a test case file becomes a ``document.TestCase``, whatever it says."""
