"""What runs beside the requests: jobs, loops, webhooks, and how they end."""
