"""Versions of the model: registered, compared, promoted, in trial, rolled back."""
