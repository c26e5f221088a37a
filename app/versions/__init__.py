"""Versions of the model: registered, compared, promoted, put on trial, rolled back."""
