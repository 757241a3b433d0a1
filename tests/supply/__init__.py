"""What the program is made of, and whether what is said about it is so."""
