"""What is told to the outside: metrics, read from the tables when they are asked for."""
