"""`python -m glmfit`: the command line."""

from __future__ import annotations

import sys

from glmfit.cli import main

sys.exit(main())
