"""A RapidSMS site with nothing in it but the job that is measured, set for speed."""

import os

SECRET_KEY = "peer"  # noqa: S105  # nothing is signed with it
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "selectable",
    "django_tables2",
    "rapidsms",
    "rapidsms.backends.database",
    "rapidsms.router.db",
    "rapidsms.contrib.handlers",
    "reports",
]
IS_BLOCKING = os.environ["PEER_ROUTER"].endswith("BlockingRouter")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PEER_DATABASE"],
        "USER": os.environ["PEER_DATABASE_USER"],
        "HOST": os.environ["PEER_DATABASE_HOST"],
        # Connections stay open, and each is used by one thread at a time.
        "CONN_MAX_AGE": None,
        # One commit for a report and its reply where all happens within one request. The database
        # router hands ids to Celery before the request ends, so there they must be committed.
        "ATOMIC_REQUESTS": IS_BLOCKING,
    }
}
ROOT_URLCONF = "peer.urls"
MIDDLEWARE: list[str] = []
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
# The database router has stored the reply by then, and its backend hands it to nobody. With the
# blocking router nothing else would store the reply.
INSTALLED_BACKENDS = {
    "sms": {
        "ENGINE": (
            "rapidsms.backends.database.DatabaseBackend"
            if IS_BLOCKING
            else "peer.backends.NobodyBackend"
        )
    }
}
RAPIDSMS_ROUTER = os.environ["PEER_ROUTER"]
RAPIDSMS_HANDLERS = [
    "reports.handlers.WnaHandler",
    "reports.handlers.PmiHandler",
    "reports.handlers.NihilHandler",
]
CELERY_BROKER_URL = os.environ.get("PEER_REDIS", "")
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = int(os.environ.get("PEER_PREFETCH", "4"))
CELERY_WORKER_SEND_TASK_EVENTS = False
LOGGING = {"version": 1, "disable_existing_loggers": True}
