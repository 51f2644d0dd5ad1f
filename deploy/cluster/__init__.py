"""What a cluster needs before our processes run there: users, topics and their rights."""
