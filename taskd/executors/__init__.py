"""Executors: each calls callables in its own way and reports how every attempt ended."""
