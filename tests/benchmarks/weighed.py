"""Imported by a worker (`celery worker --include`) whose messages are weighed, before it forks."""

from tests.benchmarks.meter import install_scales

install_scales()
