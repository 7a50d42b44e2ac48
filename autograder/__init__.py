"""What instructors run: from chapters to notebooks, and from submissions to grades."""
