"""Largest values (Gumbel): density exp(-z - exp(-z)) / sigma with z = (y - mu) / sigma."""

import torch


def log_density(y, mu, log_sigma):
    z = (y - mu) * torch.exp(-log_sigma)
    return -log_sigma - z - torch.exp(-z)
