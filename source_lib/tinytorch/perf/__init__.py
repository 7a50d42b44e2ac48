"""What makes a model smaller or faster: the techniques of chapters 14 to 18, one package each."""
