"""Optimisation and linear algebra that know no statistics.

In: an `Objective` (a value and two derivatives of theta) and a start. Out: an `Optimum`, and what its curvature says.
May use: the top of the package.
"""
