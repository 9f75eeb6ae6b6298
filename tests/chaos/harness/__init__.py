"""The chaos harness: a whole installation under random faults, and an account of what came of it.

`python -m tests.chaos.harness --help`. What is claimed is checked against a ledger of effects that is neither in
PostgreSQL nor in the broker, and against the faults that were done; docs/failures.md says how to read its table.
"""
