"""One module for each thing that the editor shows or asks for."""
