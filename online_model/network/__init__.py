"""DeepFM and the logistic regression: the table's rows, the towers, and one pass of each."""
