"""Background work: jobs, loops, webhooks, and an orderly shutdown."""
