"""Settings for every test."""

from hypothesis import settings

# A deadline would time the machine, which others share.
settings.register_profile("taskd", deadline=None)
settings.load_profile("taskd")
