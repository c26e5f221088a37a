"""Dataset formats that others read and write, one small module each; registry.py lists them."""
