"""One level a user: rounding of the program's optimum, and better levels near it."""
