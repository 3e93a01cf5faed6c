"""glmfit: generalized linear models, and any other likelihood that can be written in torch, from CSV files."""

__version__ = "0.1.0"
