"""Text to terms to columns: the one place where formulas are read.

In: a specification and the header of a table. Out: a `ModelFormula`, terms whose factors are trees that know their
columns; and an `Evaluator`, which turns factors into numbers and levels and remembers how. May use: families, table.
"""
