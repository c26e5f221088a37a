"""How well people judge, from their judgments alone. Knows nothing of tables or pages."""
