"""Django settings of Celeriac's own project; a host project needs what is marked [host]."""

from __future__ import annotations

import secrets
import sys
from typing import Any

from api import conf as api_conf
from orchestrator import env

_STATE = env.standalone_state()
BASE_DIR = env.ROOT
DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY") or _STATE.get("SECRET_KEY") or ""
if not SECRET_KEY:
    # Commands that need no server (makemigrations, spectacular, --help) run with a key of their own;
    # `serving` processes are refused by orchestrator.health when the key is not kept.
    SECRET_KEY = secrets.token_urlsafe(48)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS") or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "orchestrator.apps.CeleriacAdminConfig",  # "django.contrib.admin" in a host project
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",  # [host]
    "rest_framework.authtoken",  # [host]
    "django_filters",  # [host]
    "drf_spectacular",
    "django_celery_beat",  # [host]
    "workflows",  # [host]
    "api",  # [host]
    "orchestrator",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "orchestrator.policy.ContentSecurityPolicy",  # above WhiteNoise: a drawing that is opened by itself is a page too
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "orchestrator.urls"
ASGI_APPLICATION = "orchestrator.asgi.application"
WSGI_APPLICATION = "orchestrator.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASE_URL = env.text("DATABASE_URL") or _STATE.get("DATABASE_URL") or "postgresql://celeriac@127.0.0.1:5432/celeriac"
BROKER_URL = env.text("BROKER_URL") or _STATE.get("BROKER_URL") or "redis://127.0.0.1:6379/0"
DATABASES = {"default": env.database(DATABASE_URL)}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
# Before the catalogues of Django and of other apps, which call some of the same words otherwise.
LOCALE_PATHS = [BASE_DIR / "workflows" / "locale"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 31_536_000
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATIC_ROOT = env.home() / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/admin/"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
# No inline script, no inline style, nothing from another host. What a page needs more than this is a fault of the page.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
DATA_UPLOAD_MAX_MEMORY_SIZE = 12_000_000
if env.flag("HTTPS", default=False):
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^(health|healthz|readyz)\Z"]  # probes speak plain HTTP to the process
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    LANGUAGE_COOKIE_SECURE = True

# Celery [host]: workflows/docs explain each line; docs/decisions/0003 has the measurements.
_PREFIX = env.text("BROKER_PREFIX", "celeriac:")
_TRANSPORT: dict[str, Any] = {
    "global_keyprefix": _PREFIX,
    "visibility_timeout": 43_200,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "priority_steps": list(range(10)),
    "queue_order_strategy": "priority",
}
CELERY_BROKER_URL = BROKER_URL
CELERY_RESULT_BACKEND = BROKER_URL
CELERY_BROKER_TRANSPORT_OPTIONS = _TRANSPORT
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "global_keyprefix": _PREFIX,
    "visibility_timeout": 43_200,
    # Counting a chord's parts must not hold up a request for 20 s, which is Celery's default, while Redis is away.
    "retry_policy": {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1},
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_RESULT_EXPIRES = 86_400
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "celeriac"
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ETA_TASK_LIMIT = 100
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 4
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 3,
    "interval_start": 0.05,
    "interval_step": 0.2,
    "interval_max": 1,
}
CELERY_DB_REUSE_MAX = 1_000_000
# Stands for the tasks of a host project's own apps, which autodiscovery finds; a wheel has no examples.
CELERY_IMPORTS = ["examples.shop.tasks"] if (BASE_DIR / "examples").is_dir() else []
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# A second clock for the reconciler, beside the process of its own; what waits longer than a tick is dropped.
CELERY_BEAT_SCHEDULE = {
    "celeriac-reconcile": {"task": "celeriac.reconcile", "schedule": 10.0, "options": {"expire_seconds": 10}},
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_SYNC_EVERY = 1
DJANGO_CELERY_BEAT_TZ_AWARE = True

# Mail, which callbacks may send.
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = int(env.text("EMAIL_PORT", "25"))
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=False)
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "celeriac@localhost")

# Celeriac [host]: every name is in workflows/conf.py.
CELERIAC: dict[str, Any] = {
    "PYTHON_MODULES": env.words("CELERIAC_PYTHON_MODULES") or ["examples"],
    "HTTP_ALLOW_PRIVATE": env.words("CELERIAC_HTTP_ALLOW_PRIVATE"),
    "SQL_CONNECTIONS": _STATE.get("SQL_CONNECTIONS") or {"examples": f"sqlite:///{env.home()}/examples.sqlite3"},
    "FLOWER_URL": env.text("FLOWER_URL") or env.flower_url(_STATE),
    **env.json_object("CELERIAC_SETTINGS"),  # any of them, as a JSON object: {"LEASE_SECONDS": 60}
}

REST_FRAMEWORK = api_conf.REST_FRAMEWORK  # [host]
SPECTACULAR_SETTINGS = api_conf.SPECTACULAR_SETTINGS  # [host]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "stream": sys.stderr}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO").upper()},
}
