"""The version, on the ground floor: results carry it."""

__version__ = "0.1.0"
