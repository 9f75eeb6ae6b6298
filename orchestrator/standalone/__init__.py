"""The embedded default: real servers from wheels and every process of Celeriac, under one supervisor.

Nothing here knows a workflow; docs/embedded.md tells how it behaves and what each failure message means.
"""
