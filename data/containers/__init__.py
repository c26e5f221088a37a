"""Kinds of files that hold rows, one small module each. None knows what a row means."""
