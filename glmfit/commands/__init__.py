"""The command line: one module a command, the options, where output goes, and what a signal does.

In: words. Out: text, and an exit status. May use: all packages. Nothing is imported here: a command must be ready for
signals before anything is loaded, and `--help` loads neither torch nor numpy.
"""
