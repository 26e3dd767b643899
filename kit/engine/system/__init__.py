"""The engine about itself: what it is, what happens in it, how much room it takes."""
