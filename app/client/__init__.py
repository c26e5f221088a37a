"""The REST API from the other side: the server that runs on a home, or the home itself where none does."""
