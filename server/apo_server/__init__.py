"""The language server: answers the editor, and leaves the models to an engine process of its own."""
