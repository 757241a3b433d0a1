"""What the language server takes of an editor's time and of a machine's memory, seen from the editor's end."""
