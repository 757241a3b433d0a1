"""Fuzzing of every parser that reads a user's or a model's bytes: `python -m tests.fuzz TARGET --seconds N`.

A target takes bytes and raises where a promise is broken. Seeds are kept in `seeds/TARGET`; an input that once broke a
promise is kept there too, so that it is tried with every test run.
"""
