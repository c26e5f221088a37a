"""People and machines meet the loop: serving, rounds, pages, API, command line.

Importing it makes sure that nothing calls home: these are read when gradio and the hub client are imported.
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
