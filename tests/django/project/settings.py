"""Settings from the environment, so that one project runs on every database engine.

DATABASE_ENGINE is Django's name for it (`sqlite3`, `postgresql`), DATABASE_NAME the file or the database, DATABASE_HOST,
DATABASE_PORT and DATABASE_USER where it is reached, MEDIA_ROOT the folder of uploaded files.
"""

import os

SECRET_KEY = "for tests only"
DEBUG = True
USE_TZ = True
ROOT_URLCONF = "project.urls"
MEDIA_ROOT = os.environ["MEDIA_ROOT"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends." + os.environ.get("DATABASE_ENGINE", "sqlite3"),
        "NAME": os.environ["DATABASE_NAME"],
        "HOST": os.environ.get("DATABASE_HOST", ""),
        "PORT": os.environ.get("DATABASE_PORT", ""),
        "USER": os.environ.get("DATABASE_USER", ""),
    }
}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "school",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
