"""Regression with first-order autoregressive errors: e_t = rho e_{t-1} + N(0, sigma^2), e_1 from the stationary law."""

import math

import torch

links = {"sigma": "log"}


def start(data):
    return {"beta": torch.zeros(data.X.shape[1]), "rho": 0.0, "sigma": data.y.std()}


def log_likelihood(params, data):
    e = data.y - data.X @ params.beta
    first = e[:1] * torch.sqrt(1 - params.rho**2)
    z = torch.cat([first, e[1:] - params.rho * e[:-1]]) / params.sigma
    stationary = torch.cat([0.5 * torch.log(1 - params.rho**2).reshape(1), torch.zeros_like(e[1:])])
    return stationary - 0.5 * z**2 - torch.log(params.sigma) - 0.5 * math.log(2 * math.pi)
