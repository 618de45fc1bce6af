"""Settings for every test."""

import os
import signal

from hypothesis import HealthCheck, settings

# A deadline would time the machine, which others share, and so would the check that examples are
# made fast. What CI tries is the same each time: it tells of a change; anybody else tries anew.
settings.register_profile(
    "taskd",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("taskd")

# A shell that is no terminal's has what it starts with & ignore SIGINT, and that is inherited: what
# the tests interrupt would go on. What has a handler here has the default in a new program.
signal.signal(signal.SIGINT, signal.default_int_handler)
