"""Prompt × rows → results."""
