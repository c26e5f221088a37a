"""How a trained version is measured against others."""
