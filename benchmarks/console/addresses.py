"""The addresses of the console, as somebody opens them after a year."""

PAGES = (
    *("/", "/timeline", "/reports/2026-01-01T000000Z", "/predictions/{prediction}"),
    *("/reports", "/reports/2026-01-01T000000Z?show=all", "/compare"),
    *("/predictions", "/predictions?reference={reference}", "/labels"),
    *("/decisions", f"/decisions/{51:064x}", "/models", "/models/51"),
    *("/ledger", "/ledger/3", "/quarantine", "/audit", "/runs"),
)
"""Every page; of the first ones it is also measured how long they take right after the start."""
