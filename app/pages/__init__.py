"""The pages people see. Knows the services; nothing else knows the pages."""

import os

# Read once, when gradio is imported: it would call home at every event.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")
