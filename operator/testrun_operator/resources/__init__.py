"""The two custom resources, TestSuite and TestRun: their models, their CRDs, and the document of a case in its pod."""
