"""Checks and estimates made before annotation or a round starts: what the model can do, how much memory it needs."""
