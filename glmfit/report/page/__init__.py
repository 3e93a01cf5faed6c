"""A report as one page: what there is to say in parts, and the parts as HTML or as Markdown.

`parts` are what a page consists of, `fitted` makes those of a fit, `html` and `markdown` write pages. HTML is a
template that escapes all that it is given, in a file that loads nothing; scripts only add to what is there without.
"""
