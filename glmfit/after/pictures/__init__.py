"""The numbers of pictures: each module makes the frames of kinds that are alike; `kinds` is the table of all of them.

A frame holds what is drawn and nothing else: of many rows their numbers in hexagons. `report.pictures` draws it.
"""
