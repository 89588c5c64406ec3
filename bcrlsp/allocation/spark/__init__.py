"""The budget linear program over Spark DataFrames, Spark Connect included."""
