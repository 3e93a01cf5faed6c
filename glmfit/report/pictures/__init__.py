"""Pictures of frames of numbers, drawn by matplotlib; nothing here computes a number, but where ink goes.

`frame` is what a picture is drawn from, `style` how all of them look, `render` makes bytes of a drawing; each other
module draws kinds that are alike. matplotlib, the extra `plot`, is imported when something is drawn.
"""
