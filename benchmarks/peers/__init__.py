"""Other prompt optimizers, run as their own documentation recommends, on the simulated task of `benchmarks.world`.

Each is a process of its own in an environment of its own (`.venv-peers`): a `Job` comes in on stdin, what the
optimizer would return goes out on stdout, and its requests go to the endpoint named by ``OPENAI_BASE_URL``.
"""
