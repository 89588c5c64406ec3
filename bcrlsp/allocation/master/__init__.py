"""The restricted master programs around the present prices, and their optima."""
