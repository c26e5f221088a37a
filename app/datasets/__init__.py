"""Preference datasets in and out: imports, exports, their files and cards."""
