"""The model at work: engines that answer, and the router that says which version does."""
