"""Families: one module for each kind of response; `catalogue` lists them all."""
