"""Copying between two streams until both directions have ended.

May import: ``errors``, ``address``, ``effects``, ``transports``.
"""
