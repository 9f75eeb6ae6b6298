"""Documents that show one idea each, on data nobody made up, and the functions that their python tasks call."""
