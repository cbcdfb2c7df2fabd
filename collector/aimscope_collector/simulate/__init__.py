"""A believable fleet that does not exist: who has which machine and tools, what happens on which day.

Everything follows from a seed. Nothing here touches a network or a clock; ``comparing`` alone reads a database.
"""
