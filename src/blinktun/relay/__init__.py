"""Copying between two streams until both directions have ended."""
