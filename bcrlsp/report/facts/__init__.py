"""What more than one part of the page is told from: small results of a reading.

Each is a function of a `Reading`, asked for with `reading.fact(function)`.
"""
