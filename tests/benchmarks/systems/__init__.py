"""The systems that are compared: Celeriac and its references, each on its own worker processes."""
