"""One script for each program: `SCRIPT CSV FAMILY LINK NUMERIC FACTORS ABSORBED` fits and prints one JSON object.

NUMERIC and FACTORS are names joined by commas. The object has `estimates`, by the numeric columns' names, and `fit`,
the seconds of the fit alone, with the data in memory. A script whose program is missing ends with status 3.
"""
