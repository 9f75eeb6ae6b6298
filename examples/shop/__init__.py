"""Stands for a team's own Django app with Celery tasks that know nothing of DAGs."""
