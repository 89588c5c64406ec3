"""What is asked: budgets as constraints on levels, and users' numbers, checked and exact."""
