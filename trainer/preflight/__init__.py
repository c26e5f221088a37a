"""What is tried and estimated before anybody judges or a round begins."""
