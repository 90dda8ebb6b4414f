"""What we know: facts on disk, and the numbers made from them."""
