"""The `.prompt` file: parse with positions, settings, render, structural edit, static checks."""
