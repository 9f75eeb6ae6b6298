"""The browser's side of the pages: where the built front end is."""
