"""Distributions, their links and special functions, and likelihoods in users' files.

In: the name of a family, or a file. Out: a `Family`: parameters, links, support and a log-density of working scales.
May use: the top of the package. One module for each kind of response; `catalogue` lists them all. What is handed out
loads when it is asked for: all families take 0.2 s, and a usage error needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmfit.lazy import handed_out

if TYPE_CHECKING:
    from glmfit.families.base import Family as Family
    from glmfit.families.base import Parameter as Parameter
    from glmfit.families.base import Special as Special
    from glmfit.families.base import Support as Support
    from glmfit.families.catalogue import FAMILIES as FAMILIES
    from glmfit.families.catalogue import find_family as find_family
    from glmfit.families.catalogue import make_family as make_family
    from glmfit.families.links import LINKS as LINKS
    from glmfit.families.links import POSITIVE_LINKS as POSITIVE_LINKS
    from glmfit.families.links import REAL_LINKS as REAL_LINKS
    from glmfit.families.links import UNIT_LINKS as UNIT_LINKS
    from glmfit.families.links import Link as Link
    from glmfit.families.links import domain as domain
    from glmfit.families.links import find_link as find_link
    from glmfit.families.links import link_kind as link_kind
else:
    __getattr__ = handed_out(
        __name__,
        {
            "base": "Family Parameter Special Support",
            "catalogue": "FAMILIES find_family make_family",
            "links": "LINKS POSITIVE_LINKS REAL_LINKS UNIT_LINKS Link domain find_link link_kind",
        },
    )
