"""What is remembered: journals, the store, the ledger, snapshots, bundles and releases."""
