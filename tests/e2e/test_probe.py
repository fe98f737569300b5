import warnings
def test_w(recwarn):
    import great_expectations
    import great_expectations.expectations
    import evidently, evidently.presets
    import monitoring.reports
    for x in recwarn.list: print("WARN", x.category.__name__, str(x.message)[:160], x.filename)
