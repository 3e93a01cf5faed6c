"""Speed, measured side by side: whole processes from a CSV file, in alternation, whose estimates must agree to count.

    python -m benchmarks [--short] [--only TEXT] [--rounds N] [--peers PYTHON] [-o FOLDER] [--readme README.md]

`cases` says what is fitted, on what data and by whom; `peers/` holds one script for each program; `measure` runs them;
`growth` fits exponents; `report` writes the Markdown and `picture` the plot. Whoever is not installed is left out.
"""
